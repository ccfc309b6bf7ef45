"""Settings whose start or end does not succeed, or whose hooks are broken.

arq tests.life.starts.Raising
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from app.engine import Worker, install, seconds
from app.observability.logging import configure_logging
from tests.life.workers import WorkerSettings

_WITHIN = seconds(2)


async def _raise() -> Worker[Any]:
    raise LookupError("nothing is here")


async def _hang() -> Worker[Any]:
    await anyio.sleep_forever()
    raise AssertionError("it woke up")


async def _block() -> Worker[Any]:
    time.sleep(3600)  # what a driver without asyncio does  # noqa: ASYNC251
    raise AssertionError("it woke up")


def _opening(how: Callable[[], Awaitable[Worker[Any]]]) -> Callable[[bool], Any]:
    @asynccontextmanager
    async def open_worker(_: bool) -> AsyncGenerator[Worker[Any]]:
        configure_logging("INFO")
        yield await how()

    return open_worker


class Raising:
    """Read by arq's command."""

    open_worker = staticmethod(_opening(_raise))


class Hanging:
    """Read by arq's command."""

    open_worker = staticmethod(_opening(_hang))
    open_within = _WITHIN


class Blocking:
    """Read by arq's command."""

    open_worker = staticmethod(_opening(_block))
    open_within = _WITHIN


def _closing(how: Callable[[], Awaitable[Worker[Any]]]) -> Callable[[bool], Any]:
    @asynccontextmanager
    async def open_worker(is_burst: bool) -> AsyncGenerator[Worker[Any]]:
        async with WorkerSettings.open_worker(is_burst) as worker:
            yield worker
        await how()

    return open_worker


class RaisingInTheEnd:
    """Read by arq's command."""

    open_worker = staticmethod(_closing(_raise))


class HangingInTheEnd:
    """Read by arq's command."""

    open_worker = staticmethod(_closing(_hang))
    open_within = _WITHIN


class BlockingInTheEnd:
    """Read by arq's command."""

    open_worker = staticmethod(_closing(_block))
    open_within = _WITHIN


install()
