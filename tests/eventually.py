"""Waiting in tests: for a fact, never for a time."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import anyio

T = TypeVar("T")

_LOOK = 0.01  # s between two looks


async def eventually(
    look: Callable[[], Awaitable[T]], *, within: timedelta = timedelta(seconds=15)
) -> T:
    """Look again and again until there is something to see; raises `TimeoutError`."""
    with anyio.fail_after(within.total_seconds()):
        while not (seen := await look()):
            await anyio.sleep(_LOOK)
        return seen
