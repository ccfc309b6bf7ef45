"""Roles that an application lets run beside a worker's own: one that fails is begun again.

Its error is in the log. The worker goes on meanwhile: it has runs to do, whatever is wrong beside.
"""

import logging
from collections.abc import Awaitable, Callable

import anyio

from app.engine.clock import jittered

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # s until it is begun again
_WELL = 60.0  # s: whoever ran for so long had not failed at once


async def keep_running(role: Callable[[], Awaitable[None]]) -> None:
    """Run it until it returns or is cancelled."""
    pause = _FIRST_PAUSE
    while True:
        began = anyio.current_time()
        try:
            await role()
        except Exception as error:  # it is somebody's code, and a worker outlives it
            if anyio.current_time() - began > _WELL:
                pause = _FIRST_PAUSE
            name = getattr(role, "__qualname__", type(role).__name__)
            log.error("%s failed, and begins again in %.1f s", name, pause, exc_info=error)
        else:
            return
        await anyio.sleep(jittered(pause))
        pause = min(2 * pause, _LONGEST_PAUSE)
