"""Blocking work, which goes to processes of its own."""

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from arq.connections import RedisSettings


def block(number: int) -> tuple[int, int]:
    """Compute something, and say where."""
    return sum(range(number)), os.getpid()


async def compute(ctx: dict[str, Any], number: int) -> tuple[int, int]:
    """Have it done elsewhere."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(ctx["pool"], block, number)


async def startup(ctx: dict[str, Any]) -> None:
    """Open the pool."""
    ctx["pool"] = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))


async def shutdown(ctx: dict[str, Any]) -> None:
    """Close it."""
    ctx["pool"].shutdown()


class WorkerSettings:
    """The pool is in the ctx."""

    functions = (compute,)
    on_startup = startup
    on_shutdown = shutdown
    redis_settings = RedisSettings.from_dsn(os.environ["PROJECT_REDIS"])
