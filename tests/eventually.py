"""Waiting in tests: for a fact, never for a time."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar, overload

import anyio

T = TypeVar("T")

_LOOK = 0.01  # s between two looks


@overload
async def eventually(look: Callable[[], Awaitable[T]], *, within: timedelta = ...) -> T: ...
@overload
async def eventually(look: Callable[[], T], *, within: timedelta = ...) -> T: ...
async def eventually(
    look: Callable[[], object], *, within: timedelta = timedelta(seconds=15)
) -> object:
    """Look again and again until there is something to see; raises `TimeoutError`."""
    with anyio.fail_after(within.total_seconds()):
        while not (seen := await _seen(look())):
            await anyio.sleep(_LOOK)
        return seen


async def _seen(answer: object) -> object:
    return await answer if inspect.isawaitable(answer) else answer
