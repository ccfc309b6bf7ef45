"""Writing down what has happened, although somebody wants the writer to stop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio

from app.engine.errors import Unavailable

log = logging.getLogger(__name__)

_SHIELDED = 2.0  # s that a time limit, a cancellation or a stopping worker waits for it
_PAUSE = 0.1  # s between two tries while the ledger is away


async def surely(write: Callable[[], Awaitable[object]]) -> None:
    """Write, again and again while that can't be reached; a cancellation waits for 2 s at most.

    `write` is begun anew when it was cut off, so it has to be safe to repeat.
    """
    cut, is_written = None, False
    with anyio.move_on_after(_SHIELDED, shield=True) as shelter:
        try:
            await _insist(write)
            is_written = True
        except asyncio.CancelledError as error:  # one of asyncio's own, which knows no shelter
            if shelter.cancel_called:
                raise
            cut = error
            await _insist(write)
    if cut is not None:
        raise cut
    if not is_written:
        await _insist(write)


async def _insist(write: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await write()
        except (Unavailable, OSError) as error:
            log.warning("what has happened can't be written down yet: %s", type(error).__name__)
            await anyio.sleep(_PAUSE)
        else:
            return
