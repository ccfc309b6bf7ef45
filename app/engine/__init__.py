"""The job system: declare, enqueue, run, retry, schedule. It knows nothing of mail or calendars.

The life of a job, in the order of the files that tell it:

    job          a function is declared: its name, queue, time limit, retry policy
    client       a call of it is checked and sealed (sealer, codec), and brought to its queue
                 (sender, store): a run; of debounced calls the last one stands (debouncer)
    claimer      a worker with a free slot takes the run and leases it; urgency says from where;
                 one that waits with nothing to do may be handed it by the enqueue itself
    admitter     a run whose job has limits starts once there is room, or waits in line
    dispatcher   the run becomes a task with a deadline, in one of the worker's slots
    runner       the task runs the job and names the outcome; nothing a job raises gets further
    trials       what several workers died with is tried alone, so that the others are done
    committer    the outcome is written down, in one step for many runs
    handle       whoever enqueued it looks where it stands, takes its result, or cancels it
    dead_letters what ended without success lies here, whole, until it is retried or dropped
    fitness      a Redis that would lose runs is refused before a worker begins
    slow_disk    a disk that would cost receipted runs is told of
    doctor       what should not be there is found, and mended where that is safe
    strays       runs that lost their queue are missed, though nobody asks
    events       what happened, as a stream; somebody keeps the history of it
    handover     runs that were first written down elsewhere come in here, each once
    books        what a run has done and need not do again: its effects (effect, ledger), its steps

The store's calls are `steps`, each a Lua file, whose arguments `fields` lays out; `line` carries
them to Redis over one connection (exchange), and `together` what many callers ask at once. Beside
them `lease` and `keeper` keep a worker's claims alive, `watcher` sees a job that blocks the others,
`guard` has a process (`guardian`) that goes on where one keeps even threads from running,
`recycler` ends a worker that has done its part, and `scheduler` goes by the clock.

What is pure lies here: it asks nobody, not even for the time. `redis` is the ground, `doors` are
where others come in, `roles` work in a worker, and each stands on those before it. The rest of the
application imports these names, and nothing deeper. `dropin`, which runs the jobs of an arq
project, has names of its own, for those few who want it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from app.engine.attempt import Attempt, current_attempt
from app.engine.clock import Clock, ManualClock, days, hours, minutes, seconds
from app.engine.doors.client import Client, Durable
from app.engine.doors.dead_letters import DeadGroup, DeadLetter, DeadLetters
from app.engine.doors.doctor import Doctor
from app.engine.doors.events import Batch, Events, RunEvent
from app.engine.doors.fitness import examine, refuse_unfit
from app.engine.doors.handle import Handle
from app.engine.doors.handover import Brought, Handover
from app.engine.doors.overview import QueueDepth, RunInfo, WorkerSeen
from app.engine.doors.slow_disk import slow_disk
from app.engine.doors.strays import Strays
from app.engine.effect import ASK, REPEAT, Effect, EffectState, InDoubt, Place, is_same
from app.engine.errors import (
    BadArguments,
    BadPayload,
    CallRefused,
    DeclarationError,
    Discard,
    Duplicate,
    EngineError,
    Expired,
    JobTimeout,
    LeaseLost,
    NeedsReview,
    NoDurability,
    NotDurable,
    OutOfMemory,
    Overtaken,
    PartlyStored,
    PermanentError,
    QueueFull,
    RemoteError,
    RetryLater,
    RunCancelled,
    RunFailed,
    SelfCancelled,
    TooLarge,
    Unanswered,
    Unavailable,
    UnfitServer,
    UnknownJob,
    UnknownRun,
    WorkerDied,
)
from app.engine.failure import FailedAttempt
from app.engine.fitness import Fitness, Flaw, Objection
from app.engine.job import Call, Job, by_name, collect, job
from app.engine.ledger import Ledger, settle
from app.engine.limits import AtOnce, Breaker, Rate
from app.engine.options import WorkerOptions
from app.engine.outcome import Ending, RunStatus, ending_of
from app.engine.redis.book import RedisLedger
from app.engine.redis.codec import Codec
from app.engine.redis.keys import queue_title
from app.engine.redis.sentinel import SentinelSettings
from app.engine.retry import NEVER, Backoff, ByClass, Fixed
from app.engine.run import NewRun
from app.engine.run_options import Held
from app.engine.schedule import Cron, Schedule, is_scheduled, schedule
from app.engine.trouble import MENDING, Finding, Trouble
from app.engine.upcast import Arguments

if TYPE_CHECKING:
    from app.engine.doors.plain import arq_functions
    from app.engine.roles.arq_worker import ArqWorker, heeding_signals, install
    from app.engine.roles.hooks import Hooks
    from app.engine.roles.in_time import NotInTime, in_time
    from app.engine.roles.over import Over
    from app.engine.roles.process import run_process
    from app.engine.roles.worker import Worker

__all__ = [
    "ASK",
    "MENDING",
    "NEVER",
    "REPEAT",
    "Arguments",
    "ArqWorker",
    "AtOnce",
    "Attempt",
    "Backoff",
    "BadArguments",
    "BadPayload",
    "Batch",
    "Breaker",
    "Brought",
    "ByClass",
    "Call",
    "CallRefused",
    "Client",
    "Clock",
    "Codec",
    "Cron",
    "DeadGroup",
    "DeadLetter",
    "DeadLetters",
    "DeclarationError",
    "Discard",
    "Doctor",
    "Duplicate",
    "Durable",
    "Effect",
    "EffectState",
    "Ending",
    "EngineError",
    "Events",
    "Expired",
    "FailedAttempt",
    "Finding",
    "Fitness",
    "Fixed",
    "Flaw",
    "Handle",
    "Handover",
    "Held",
    "Hooks",
    "InDoubt",
    "Job",
    "JobTimeout",
    "LeaseLost",
    "Ledger",
    "ManualClock",
    "NeedsReview",
    "NewRun",
    "NoDurability",
    "NotDurable",
    "NotInTime",
    "Objection",
    "OutOfMemory",
    "Over",
    "Overtaken",
    "PartlyStored",
    "PermanentError",
    "Place",
    "QueueDepth",
    "QueueFull",
    "Rate",
    "RedisLedger",
    "RemoteError",
    "RetryLater",
    "RunCancelled",
    "RunEvent",
    "RunFailed",
    "RunInfo",
    "RunStatus",
    "Schedule",
    "SelfCancelled",
    "SentinelSettings",
    "Strays",
    "TooLarge",
    "Trouble",
    "Unanswered",
    "Unavailable",
    "UnfitServer",
    "UnknownJob",
    "UnknownRun",
    "Worker",
    "WorkerDied",
    "WorkerOptions",
    "WorkerSeen",
    "arq_functions",
    "by_name",
    "collect",
    "current_attempt",
    "days",
    "ending_of",
    "examine",
    "heeding_signals",
    "hours",
    "in_time",
    "install",
    "is_same",
    "is_scheduled",
    "job",
    "minutes",
    "queue_title",
    "refuse_unfit",
    "run_process",
    "schedule",
    "seconds",
    "settle",
    "slow_disk",
]

_LATE = {
    "arq_functions": "doors.plain",
    **dict.fromkeys(("ArqWorker", "heeding_signals", "install"), "roles.arq_worker"),
    **dict.fromkeys(("NotInTime", "in_time"), "roles.in_time"),
    "Hooks": "roles.hooks",
    "Over": "roles.over",
    "Worker": "roles.worker",
    "run_process": "roles.process",
}


def __getattr__(name: str) -> object:
    """What only workers need is loaded when it is asked for: a look at a queue goes without."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"app.engine.{_LATE[name]}"), name)
