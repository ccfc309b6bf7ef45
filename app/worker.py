"""The worker process: `arq app.worker.WorkerSettings`, and what `steward worker` runs too.

Importing this module reads the settings and gives arq's command our worker: that is how arq asks
for it. Nothing else in the application does anything when it is imported.
"""

import logging
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from app.connection import client_at
from app.context import Context, context_of, open_redis, open_services, redis_at
from app.context.watch import watching
from app.engine import (
    Client,
    DeclarationError,
    Ending,
    Events,
    Job,
    Over,
    Schedule,
    Worker,
    WorkerOptions,
    ending_of,
    install,
    refuse_unfit,
)
from app.jobs import JOBS
from app.observability.logging import configure_logging
from app.observability.recorder import Recorder
from app.queues import NAMES
from app.relay import Relay
from app.settings import Settings, read_settings
from app.storage.runs import Runs
from app.timetable import TIMETABLE

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_worker(
    settings: Settings,
    *,
    queues: Sequence[str] = NAMES,
    burst: bool = False,
    jobs: Mapping[str, Job[Any, ..., Any]] = JOBS,
    timetable: Sequence[Schedule] = TIMETABLE,
    heard: Callable[[Over], None] | None = None,
) -> AsyncGenerator[Worker[Context]]:
    """A worker with everything it needs open around it, closed again by the same task.

    `heard` is told of each run that ended here. Raises `DeclarationError` for a queue that nobody
    has declared: nothing would ever be put on it, and `UnfitServer` for a Redis that may lose runs.
    """
    if unknown := set(queues).difference(NAMES):
        raise DeclarationError(f"no queue is called {min(unknown)!r}; there are {', '.join(NAMES)}")
    if unknown := set(settings.worker.limits).difference(NAMES):
        raise DeclarationError(f"STEWARD_WORKER__LIMITS: no queue is called {min(unknown)!r}")
    async with (
        open_redis(settings) as redis,
        client_at(redis, settings, jobs=jobs) as client,
        _fit(client, settings),
        open_services(settings, client) as services,
    ):
        history = Runs(services.database)
        recorder = Recorder(Events(client.store), history, lease=settings.worker.lease)
        relay = Relay(services.outbox, client, queues=NAMES, lease=settings.worker.lease)
        watch = watching(settings, services, lambda: worker, also=heard)
        worker = Worker(
            client,
            redis,
            jobs=jobs,
            queues=[name for name in NAMES if name in queues],
            make_context=partial(context_of, services),
            timetable=timetable,
            roles=[relay.run, *watch.roles, *([recorder.run] if settings.worker.recorder else [])],
            options=worker_options(settings, burst=burst),
            ledger=services.effects,
            heard=watch.heard,
            more=relay.has_more,
        )
        yield worker


@asynccontextmanager
async def _fit(client: Client, settings: Settings) -> AsyncGenerator[None]:
    """Only with a Redis that is fit for it, or accepted as it is; raises `UnfitServer`."""
    await refuse_unfit(client, accepted=settings.redis.accept)
    yield


def worker_options(settings: Settings, *, burst: bool) -> WorkerOptions:
    """What the settings say of the worker, for the engine."""
    chosen = settings.worker.model_dump(exclude={"processes", "recorder", "open_within"})
    return WorkerOptions(burst=burst, guarded=True, **chosen)


def _for_arq(burst: bool) -> AbstractAsyncContextManager[Worker[Context]]:
    if "--custom-log-dict" not in sys.argv:
        configure_logging(settings.log.level)
    return open_worker(settings, burst=burst, heard=_log_run)


def _log_run(over: Over) -> None:
    """One line a run: what is dead is a warning, and says why by the error's class alone."""
    ending, error = ending_of(over.outcome), getattr(over.outcome, "error", None)
    took = over.ended_ms - over.started_ms
    why = f": {type(error).__name__}" if error else ""
    level = logging.WARNING if ending is Ending.DEAD else logging.INFO
    log.log(level, "%s %s in %d ms (run %s)%s", over.known.f, ending, took, over.run.id, why)


settings = read_settings()


class WorkerSettings:
    """Read by arq's command."""

    redis_settings = redis_at(settings)
    open_worker = staticmethod(_for_arq)
    open_within = settings.worker.open_within


install()
