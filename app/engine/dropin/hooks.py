"""The project's own code around each run: before the call, after it, and once it is committed.

A hook that fails costs less than with arq, where it ends the worker: before the call it is the
job's failure, and after it a line in the log.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from app.engine.dropin.settings import ArqSettings, Hook
from app.engine.roles.over import Over

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

log = logging.getLogger(__name__)

_LAST_ONES = 10.0  # s that hooks have which still run when everything else is over


class Hooks:
    """Calls `on_job_start`, `on_job_end` and `after_job_end`, each with the run's ctx."""

    def __init__(self, settings: ArqSettings) -> None:
        self._on_start = settings.on_job_start
        self._on_end = settings.on_job_end
        self._after = settings.after_job_end
        self._uncommitted: dict[str, dict[Any, Any]] = {}
        self._group: TaskGroup | None = None
        self.ongoing = 0
        """How many runs are between their start and their end."""
        self.over = 0
        """How many attempts are behind their end."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Call what is to be called after commits while the block lasts, and wait for it."""
        async with anyio.create_task_group() as self._group:
            yield
            self._group.cancel_scope.deadline = anyio.current_time() + _LAST_ONES

    async def started(self, ctx: dict[Any, Any]) -> None:
        """A run begins; raises what the hook does."""
        self.ongoing += 1
        if self._on_start is not None:
            await self._on_start(ctx)

    async def ended(self, ctx: dict[Any, Any]) -> None:
        """A run is over, however it went."""
        self.ongoing -= 1
        self.over += 1
        if self._after is not None:
            self._uncommitted[ctx["job_id"]] = ctx
        if self._on_end is not None:
            await _told(self._on_end, ctx)

    def committed(self, over: Over) -> None:
        """What became of a run is written down."""
        ctx = self._uncommitted.pop(over.run.id, None)
        if ctx is not None and self._after is not None and self._group is not None:
            self._group.start_soon(_told, self._after, ctx)


async def _told(hook: Hook, ctx: dict[Any, Any]) -> None:
    try:
        await hook(ctx)
    except Exception:  # it is the project's code
        log.exception("%s failed for run %s", getattr(hook, "__qualname__", hook), ctx["job_id"])
