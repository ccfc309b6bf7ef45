"""The lifeline of a supervised process: how it hears that it should stop.

It comes as standard input, and is taken away from there at once: nothing the process starts or
reads should ever find it. Each byte in it is an order to stop, the second to hurry; its end means
that the supervisor is gone, and that the process should follow.
"""

import os
from collections.abc import Callable

import anyio

_MOST = 16  # bytes; there are two or three in its whole life


def take_lifeline() -> int:
    """Its descriptor; standard input is empty from now on."""
    descriptor = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return descriptor


async def follow(descriptor: int, told: Callable[[int], None]) -> None:
    """Say how many orders there were, whenever one comes, until the lifeline ends."""
    orders = 0
    while given := await _read(descriptor):
        orders += len(given)
        told(orders)
    told(max(orders, 1))


async def _read(descriptor: int) -> bytes:
    await anyio.wait_readable(descriptor)
    try:
        return os.read(descriptor, _MOST)
    except ConnectionResetError:  # where it is a socket
        return b""
