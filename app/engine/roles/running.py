"""A run at work: what it was asked, who does it, since when, and who wants it to stop."""

from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from app.engine.attempt import Attempt
from app.engine.envelope import Payload
from app.engine.job import Job
from app.engine.limits import Ask
from app.engine.outcome import Outcome
from app.engine.run import Claimed

if TYPE_CHECKING:
    import asyncio


class Stopped(StrEnum):
    """Why a task was cancelled."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    STOPPING = "stopping"
    """The worker is, or has not begun the run in time."""


class Running(msgspec.Struct, kw_only=True, eq=False):
    """A run that can start, and then is at work in this process."""

    run: Claimed
    payload: Payload
    job: Job[Any, ..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attempt: Attempt
    started_ms: int
    asks: tuple[Ask, ...] = ()
    """The limits it needs a place at before it starts."""
    stopped: Stopped | None = None
    is_over: bool = False
    deadline: float = 0.0
    """When it is looked at, by the monotonic clock."""
    task: "asyncio.Task[None] | None" = None


Body = Callable[[Running], Coroutine[None, None, Outcome]]
Ended = Callable[[Running, Outcome | None], None]
