"""The loop of a process that works, and the end of it, which no job can put off.

A run that ignores its cancellation is abandoned. Its task is still there when everything else is
closed and committed, and so may be the thread it waits for: asyncio would wait for both, for ever
if need be. So the process ends without them.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio

log = logging.getLogger(__name__)

_LAST_TURN = 0.1  # s for what is left to end, once it is cancelled


def run_process(work: Callable[[], Awaitable[int]]) -> int:
    """Do this work on a loop of its own; returns the exit code it names."""
    return anyio.run(_worked, work, backend_options={"use_uvloop": True})


async def _worked(work: Callable[[], Awaitable[int]]) -> int:
    code = await work()
    if left := await _still_there():
        log.warning("the process ends without what is still at work in it: %d", left)
        _end(code)
    return code


async def _still_there() -> int:
    """How many tasks go on though all is closed and they are cancelled."""
    others = asyncio.all_tasks().difference({asyncio.current_task()})
    for each in others:
        each.cancel()
    if others:
        await asyncio.wait(others, timeout=_LAST_TURN)
    return sum(not each.done() for each in others)


def _end(code: int) -> None:
    """End the process at once, with all that it has said."""
    logging.shutdown()
    for output in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            output.flush()
    os._exit(code)
