"""Opening and closing what a worker needs, in time: code that hangs there must not look like work.

A worker whose start hangs takes no run, and whoever started it believes that it does. So what is
not open in time is cancelled, and closed again as far as it goes; and so is what does not close. A
loop that is blocked, or code that ignores its cancellation, is ended with the process.
"""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TypeVar

import anyio

from app.engine.errors import EngineError

T = TypeVar("T")

log = logging.getLogger(__name__)

IN_TIME = timedelta(minutes=1)
"""Enough for a database to be migrated, and short enough for a supervisor to notice."""
_CLEAN_UP = 5.0  # s for what was cancelled
_EXIT = 1


class NotInTime(EngineError):
    """What a worker needs was not opened, or not closed, in the time it may take."""


@asynccontextmanager
async def in_time(
    opening: AbstractAsyncContextManager[T], *, within: timedelta
) -> AsyncGenerator[T]:
    """The same, if it opens within that time; raises `NotInTime`, then and at a late close."""
    doing = "open"
    with anyio.CancelScope() as scope:
        with _limited(scope, within, "it is not open"):
            opened = await opening.__aenter__()
        doing = "work"
        async with _closing(opening, scope, within):
            yield opened
        doing = "done"
    if scope.cancelled_caught and doing != "done":
        what = "opened" if doing == "open" else "closed"
        raise NotInTime(
            f"it could not be {what} within {within.total_seconds():g} s; what it waits for may be"
            " out of reach, or STEWARD_WORKER__OPEN_WITHIN (`open_within`) too short"
        )


@asynccontextmanager
async def _closing(
    opening: AbstractAsyncContextManager[object], scope: anyio.CancelScope, within: timedelta
) -> AsyncGenerator[None]:
    """Close it on the way out, with the error that brought us there, if any."""
    try:
        yield
    except BaseException as error:
        with _limited(scope, within, "it is not closed"):
            if not await opening.__aexit__(type(error), error, error.__traceback__):
                raise
    else:
        with _limited(scope, within, "it is not closed"):
            await opening.__aexit__(None, None, None)


@contextmanager
def _limited(scope: anyio.CancelScope, within: timedelta, what: str) -> Generator[None]:
    """Cancel the scope once the time is up; end the process if that doesn't help."""
    limit = within.total_seconds()
    alarm = asyncio.get_running_loop().call_later(limit, scope.cancel)
    last = threading.Timer(limit + _CLEAN_UP, _end, [f"{what}, and does not react"])
    last.daemon = True
    last.start()
    try:
        yield
    finally:
        alarm.cancel()
        last.cancel()


def _end(why: str) -> None:
    log.critical("this worker ends: %s", why)
    logging.shutdown()
    os._exit(_EXIT)
