"""An application's own code around each attempt, which can neither change nor stop it.

    Worker(..., hooks=Hooks(before=tell, after=count))

`before` is awaited in the attempt's own task and counts to its time. `after` is told of an outcome
once that is written down, beside the next runs; what is still to be told when the worker ends is
told for a few seconds. One that raises is a line in the log, and so is one that takes longer than
`within`. They are told, not asked: what has to happen with a job belongs into the job.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio

from app.engine.attempt import Attempt
from app.engine.outcome import Outcome
from app.engine.roles.over import Over
from app.engine.roles.running import Body, Running

log = logging.getLogger(__name__)

_AT_ONCE = 20  # outcomes that are told of beside each other
_MOST_WAITING = 10_000  # then the oldest are dropped: a slow hook must not take all memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What to call, and how long each call may take."""

    before: Callable[[Attempt], Awaitable[None]] | None = None
    after: Callable[[Over], Awaitable[None]] | None = None
    within: timedelta = timedelta(seconds=5)


NO_HOOKS = Hooks()


class Teller:
    """Calls one worker's hooks."""

    def __init__(self, hooks: Hooks) -> None:
        self._before, self._after = hooks.before, hooks.after
        self._within = hooks.within.total_seconds()
        self._untold = deque[Over](maxlen=_MOST_WAITING)
        self._news = asyncio.Event()

    def body(self, body: Body) -> Body:
        """The same attempt, with what is to be called before."""
        before = self._before
        if before is None:
            return body

        async def told(running: Running) -> Outcome:
            await self._call(before, running.attempt, is_stopped=lambda: bool(running.stopped))
            return await body(running)

        return told

    def heard(self, over: Over) -> None:
        """An outcome is written down: tell of it soon."""
        if self._after is not None:
            self._untold.append(over)
            self._news.set()

    async def run(self) -> None:
        """Tell of outcomes until cancelled, and then of those that are left."""
        if self._after is None:
            return
        try:
            async with anyio.create_task_group() as group:
                for _ in range(_AT_ONCE):
                    group.start_soon(self._tell, self._after)
        finally:
            with anyio.move_on_after(self._within, shield=True):
                while self._untold:
                    await self._call(self._after, self._untold.popleft())

    async def _tell(self, after: Callable[[Over], Awaitable[None]]) -> None:
        while True:
            while self._untold:
                await self._call(after, self._untold.popleft())
            self._news.clear()
            await self._news.wait()

    async def _call(
        self,
        hook: Callable[[Any], Awaitable[None]],
        what: object,
        *,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Call it, and let nothing it raises out; only who is told to stop is cancelled."""
        task = asyncio.current_task()
        asked = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(self._within):
                await hook(what)
        except BaseException as error:  # it is somebody's code
            if is_stopped() or (task and task.cancelling() > asked):
                raise
            log.error("the hook %s failed: %s", _name_of(hook), _said(error), exc_info=error)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}" if not isinstance(error, TimeoutError) else "it took too long"


def _name_of(hook: object) -> str:
    return getattr(hook, "__qualname__", type(hook).__name__)


def safely(heard: Callable[[Over], None]) -> Callable[[Over], None]:
    """The same, whatever it raises: then the log says so."""

    def told(over: Over) -> None:
        try:
            heard(over)
        except Exception:  # it is somebody's code, and the outcome is written down
            log.exception("what is told of outcomes failed for run %s", over.run.id)

    return told
