"""`arq your.module.WorkerSettings`, with our worker behind it.

arq's command always builds `arq.worker.Worker`, and looks that name up when it is called. So a
settings module calls `install()`, which puts our subclass there. The settings class says how to
open a worker; arq's own options that concern the command (`burst`, `health_check_key`) are heeded.

    class WorkerSettings:
        redis_settings = RedisSettings(...)         for `--check`
        open_worker = staticmethod(open_worker)     an async context manager that yields a Worker

    install()

What is not open within `open_within`, a minute unless the class says otherwise, ends the command
with code 1 and a line that says so; and so does anything that is raised meanwhile.

`--watch` starts the whole process again when a file changes, so that changed code is loaded. A
worker that has done its part (see recycler) says so in a line and the command ends with code 0: to
start the next one is up to whoever started it.
"""

import inspect
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from signal import Signals
from typing import Any, cast

import anyio
import arq
import arq.worker
from arq.connections import RedisSettings
from arq.version import VERSION

from app.engine.clock import Clock
from app.engine.errors import EngineError, Unavailable
from app.engine.redis import keys
from app.engine.redis.connection import open_redis
from app.engine.redis.steps import answering
from app.engine.redis.store import Store
from app.engine.roles.in_time import IN_TIME, in_time
from app.engine.roles.process import run_process
from app.engine.roles.worker import Worker

OpenWorker = Callable[[bool], AbstractAsyncContextManager[Worker[Any]]]
"""Given whether to stop once the queues are empty, opens everything a worker needs."""

log = logging.getLogger(__name__)

_WRITTEN_FOR = "0.28.0"
_STOPPING = (signal.SIGINT, signal.SIGTERM)


def _signature() -> inspect.Signature:
    """arq's options and ours: arq drops every option that isn't in the signature."""
    theirs = inspect.signature(arq.worker.Worker).parameters.values()
    names = ("open_worker", "open_within")
    ours = (inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY) for each in names)
    return inspect.Signature([*theirs, *ours])


class ArqWorker(arq.worker.Worker):
    """What arq's command drives; the work is done by the worker that `open_worker` yields."""

    __signature__ = _signature()

    def __init__(
        self,
        *,
        open_worker: OpenWorker,
        open_within: timedelta = IN_TIME,
        burst: bool = False,
        **_: Any,
    ) -> None:
        """Open nothing yet; arq's other options are arq's loop's, and have no meaning here."""
        self._open_worker = open_worker
        self._open_within = open_within
        self._burst = burst
        self._worker: Worker[Any] | None = None
        self._opening: anyio.CancelScope | None = None
        self._ended: anyio.Event | None = None
        self.on_stop: Callable[[Signals], None] | None = None

    def run(self) -> None:
        """Work until stopped, on a loop of its own; exit code 1 when it could not go on."""
        if code := run_process(self._serve):
            raise SystemExit(code)

    async def async_run(self) -> None:
        """Work until stopped, on the loop that runs; a second call starts the process again."""
        if self._ended is not None:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        self._ended = anyio.Event()
        try:
            await self._serve()
        finally:
            self._ended.set()

    def handle_sig(self, signum: Signals) -> None:
        """Begin to stop."""
        log.info("stopping: what runs may finish for a while; told again, it is cut short")
        self._stop()
        if self.on_stop is not None:
            self.on_stop(signum)

    async def close(self) -> None:
        """Stop, and wait until everything is closed."""
        self._stop()
        if self._ended is not None:
            await self._ended.wait()

    def _stop(self) -> None:
        """Before there is a worker, what is being opened for it is closed again."""
        if self._worker is not None:
            self._worker.stop()
        elif self._opening is not None:
            self._opening.cancel()

    async def _serve(self) -> int:
        """Work until stopped; exit code 1 when something kept the worker from it."""
        try:
            async with heeding_signals(self.handle_sig):
                with anyio.CancelScope() as self._opening:
                    await self._work()
        except Exception as error:  # whatever it is: the log and the exit code tell
            _say_why(_first_cause(error), has_begun=self._worker is not None)
            return 1
        return 0

    async def _work(self) -> None:
        opening = self._open_worker(self._burst)
        async with in_time(opening, within=self._open_within) as worker:
            self._worker = worker
            await worker.run()

    def __repr__(self) -> str:
        return f"<ArqWorker {self._worker.id if self._worker else 'not running'}>"


@asynccontextmanager
async def heeding_signals(heed: Callable[[Signals], None]) -> AsyncGenerator[None]:
    """Call `heed` for each SIGINT and SIGTERM while the block lasts."""
    async with anyio.create_task_group() as group:
        with anyio.open_signal_receiver(*_STOPPING) as received:

            async def listen() -> None:
                async for each in received:
                    heed(each)

            group.start_soon(listen)
            yield
            group.cancel_scope.cancel()


def _say_why(error: BaseException, *, has_begun: bool) -> None:
    """Why a worker ends: in one line, unless the work itself is what failed."""
    if isinstance(error, EngineError) or not has_begun:
        said = str(error).partition("\n")[0]
        kind = "" if isinstance(error, EngineError) else f"{type(error).__name__}: "
        log.critical("this worker ends: %s%s", kind, said)
        log.debug("it ends here", exc_info=error)
    else:
        log.critical("this worker ends", exc_info=error)


def _first_cause(error: BaseException) -> BaseException:
    """What a task group's error is about."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def install(version: str = VERSION) -> None:
    """Make arq's command run our worker; safe to repeat.

    Ends the process, in one line, for another version of arq than this was written for.
    """
    if version != _WRITTEN_FOR:
        raise SystemExit(f"arq {version} is installed; Steward needs arq {_WRITTEN_FOR}")
    import arq.cli  # a command line, which most of those who import the engine don't want

    for module in (arq, arq.worker):
        module.__dict__["Worker"] = ArqWorker
    arq.cli.__dict__["check_health"] = check_health


def check_health(settings: Any) -> int:
    """Whether a worker is alive, for `arq --check`: 0, or 1 with one line that says why not."""
    redis: RedisSettings = getattr(settings, "redis_settings", None) or RedisSettings()
    try:
        said = anyio.run(partial(_health, redis))
    except Unavailable as error:
        print(f"no worker can be asked: {error}", file=sys.stderr)
        return 1
    print(said or "no worker is alive", file=sys.stdout if said else sys.stderr)
    return 0 if said else 1


async def _health(redis: RedisSettings) -> str:
    """What the workers say of themselves; nothing when there is none. Raises `Unavailable`."""
    async with open_redis(redis) as connection:
        async with answering():
            said = await Store(connection, Clock()).redis.get(keys.ALIVE)
    return said.decode(errors="replace") if said else ""
