"""What a job may raise to steer itself, and what the engine raises to its callers.

JobSignal             raised by a job about its own fate; never a mistake
├── RetryLater        run me again after a delay; no attempt is charged
└── Discard           stop now, retrying cannot help: to the dead letters
EngineError           raised to whoever called the engine
├── DeclarationError  a job, schedule or queue is declared wrongly: refused at start
│   └── Duplicate     two of them claim one name
├── CallRefused       an enqueue that can never work: nothing was written
│   ├── NoDurability  a durable receipt is asked for, and this Redis can't give one
│   ├── UnknownJob    no such job is registered
│   ├── BadArguments  the arguments do not fit the job's signature
│   └── TooLarge      the arguments pass the payload limit
├── QueueFull         the queue holds as many runs as it may, or Redis has no memory left
├── Unavailable       Redis can't be reached; safe to repeat with the same id
│   ├── Unanswered    ... it was asked, and may have done it
│   ├── OutOfMemory   ... it has none left for this; what frees memory goes on
│   ├── NotDurable    ... it has stored it, and did not confirm in time that this is safe
│   └── PartlyStored  ... but it had answered for some of the calls that were made together
├── UnfitServer       a Redis that may lose runs, or give them to anybody
├── Overtaken         a relay stood still, and another took its place: nothing was written
├── BadPayload        bytes from Redis that we did not write, or can't read
├── UnknownRun        no run has this id, or its result is no longer kept
├── LeaseLost         this attempt's run is another worker's by now: it can't write any more
├── RunFailed         the run whose result was asked for ended without success
│   └── RunCancelled  ... because somebody cancelled it
└── RemoteError       an exception of a class this process does not know
PermanentError        a job's own errors that no retry can mend
└── NeedsReview       nobody can tell whether an effect happened, and a person has to
JobTimeout            recorded for an attempt that took longer than its job may
Expired               recorded for a run that had not begun by the time it was good for
SelfCancelled         ... that was cancelled from within
WorkerDied            ... whose workers died with it, again and again
"""

from collections.abc import Sequence
from datetime import timedelta


class JobSignal(Exception):
    """Raised by a job to steer its own fate."""


class RetryLater(JobSignal):
    """Run the job again after `delay`, without charging an attempt."""

    def __init__(self, delay: timedelta, reason: str = "") -> None:
        super().__init__(reason or f"again in {delay}")
        self.delay = _span(delay)


def _span(delay: object) -> timedelta:
    if not isinstance(delay, timedelta):
        raise TypeError(f"RetryLater takes a timedelta, not {delay!r}")
    return delay


class Discard(JobSignal):
    """Give up at once: the run goes to the dead letters."""


class PermanentError(Exception):
    """A failure that no retry can mend: wrong input, missing permission, bad credentials."""


class NeedsReview(PermanentError):
    """An effect was begun, and nobody can tell whether it happened: a person has to settle it."""


class JobTimeout(TimeoutError):
    """The attempt took longer than the job may."""


class Expired(TimeoutError):
    """The run had not begun by the time whoever enqueued it had set."""


class SelfCancelled(RuntimeError):
    """Something inside the job cancelled it; nobody here had asked for that."""


class WorkerDied(RuntimeError):
    """The worker that ran it died, and perhaps of it; what its dead letter ends with then."""


class EngineError(Exception):
    """Base of everything the engine raises to its caller."""


class DeclarationError(EngineError):
    """A job, queue or schedule is declared in a way that cannot work."""


class Duplicate(DeclarationError):
    """Two jobs, queues or schedules claim one name."""


class CallRefused(EngineError):
    """This enqueue can never work; nothing was written."""


class NoDurability(CallRefused):
    """This Redis can't give durable receipts."""


class UnknownJob(CallRefused):
    """No job is registered under this name."""


class BadArguments(CallRefused):
    """The arguments or options do not fit the job."""


class TooLarge(CallRefused):
    """The arguments are larger than a payload may be; pass a reference instead."""


class Unavailable(EngineError):
    """Redis did not confirm in time. Repeating the call with the same id is safe."""


class Unanswered(Unavailable):
    """Redis was asked, and the connection broke before it answered: it may have done it."""


class OutOfMemory(Unavailable):
    """Redis is at its `maxmemory`, and wrote nothing; it goes on once there is room."""


class QueueFull(EngineError):
    """There was no room for these runs: nothing of them was written, and all may be sent again."""

    def __init__(
        self, reason: str = "", *, refused: Sequence[str] = (), stored: Sequence[str] = ()
    ) -> None:
        """`stored` are those of the same enqueue that found room; both in the calls' order."""
        super().__init__(reason or f"no room for {len(refused)} runs; {len(stored)} are stored")
        self.refused = tuple(refused)
        self.stored = tuple(stored)


class NotDurable(Unavailable):
    """A durable receipt did not come: the run may be stored, and may be lost with its server."""

    def __init__(self, said: str, *, run_ids: Sequence[str]) -> None:
        """`run_ids` may be enqueued again: what is stored is not stored twice."""
        super().__init__(f"{said}; it may be stored all the same: {', '.join(run_ids[:3])}")
        self.run_ids = tuple(run_ids)


class PartlyStored(Unavailable):
    """Redis confirmed some of the runs, and no more in time; both are told in the calls' order."""

    def __init__(self, *, stored: Sequence[str], missing: Sequence[str]) -> None:
        """`missing` were not confirmed: they may be stored, and may be sent again by their ids."""
        super().__init__(f"{len(stored)} are stored, {len(missing)} were not confirmed in time")
        self.stored = tuple(stored)
        self.missing = tuple(missing)


class UnfitServer(EngineError):
    """This Redis may lose runs, or give them to anybody; nothing was taken from it."""

    def __init__(self, flaws: Sequence[tuple[str, str]], *, setting: str) -> None:
        """`flaws`: each with its name, by which `setting` accepts it, and a sentence about it."""
        names = ", ".join(f'"{name}"' for name, _ in flaws)
        lines = "; ".join(line for _, line in flaws)
        super().__init__(f"this Redis is refused: {lines}; or accept it: {setting}=[{names}]")
        self.flaws = tuple(name for name, _ in flaws)


class Overtaken(EngineError):
    """This relay stood still for longer than its lease, and another may have begun."""


class BadPayload(EngineError):
    """These bytes are not a payload of ours: altered, truncated, or signed by another key."""


class UnknownRun(EngineError):
    """No run has this id, or what it left is no longer kept."""


class LeaseLost(EngineError):
    """The attempt's run is another worker's by now, or over; nothing was written."""


class RunFailed(EngineError):
    """The run ended without success; `error` is what its last attempt raised."""

    def __init__(self, run_id: str, error: BaseException) -> None:
        super().__init__(f"run {run_id} failed: {type(error).__name__}: {error}")
        self.run_id = run_id
        self.error = error


class RunCancelled(RunFailed):
    """The run was cancelled."""


class RemoteError(EngineError):
    """An exception of a class that this process does not know, by name and message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
