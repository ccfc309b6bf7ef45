"""The loop of a process that works, and the end of it, which no job can put off.

A run that ignores its cancellation is abandoned, but its task is still there when everything else
is closed and committed; and of one that obeyed, a thread may be left in the middle of something.
asyncio would wait for both, for ever if need be. So the process ends without them.
"""

import asyncio
import gc
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

import anyio

log = logging.getLogger(__name__)

_LAST_TURN = 0.1  # s for what is left to end, once it is told to
_THREADS = "steward-job"  # how the threads of `asyncio.to_thread` are called


def run_process(work: Callable[[], Awaitable[int]]) -> int:
    """Do this work on a loop of its own; returns the exit code it names."""
    return anyio.run(_worked, work, backend_options={"use_uvloop": True})


async def _worked(work: Callable[[], Awaitable[int]]) -> int:
    executor = ThreadPoolExecutor(thread_name_prefix=_THREADS)
    asyncio.get_running_loop().set_default_executor(executor)
    code = await work()
    if left := await _tasks_left() + _threads_left(executor):
        log.warning("the process ends without what is still at work in it: %d", left)
        _end(code)
    gc.freeze()  # so that the interpreter ends at once: else it looks for garbage, for a second
    return code


async def _tasks_left() -> int:
    """How many tasks go on though all is closed and they are cancelled."""
    others = asyncio.all_tasks().difference({asyncio.current_task()})
    for each in others:
        each.cancel()
    if others:
        await asyncio.wait(others, timeout=_LAST_TURN)
    return sum(not each.done() for each in others)


def _threads_left(executor: ThreadPoolExecutor) -> int:
    """How many threads are busy, with a task or without it."""
    executor.shutdown(wait=False, cancel_futures=True)
    ours = [each for each in threading.enumerate() if each.name.startswith(_THREADS)]
    until = monotonic() + _LAST_TURN
    for each in ours:
        each.join(timeout=max(0.0, until - monotonic()))
    return sum(each.is_alive() for each in ours)


def _end(code: int) -> None:
    """End the process at once, with all that it has said."""
    logging.shutdown()
    for output in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            output.flush()
    os._exit(code)
