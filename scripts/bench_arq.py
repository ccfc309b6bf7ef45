"""Stock arq, run by arq's own Worker on uvloop and hiredis, without its two log lines a run.

Variants: defaults = as shipped: ten runs at once, a poll every 0.5 s, results kept for an hour.
tuned = 100 at once, a poll every 10 ms, no results: the quickest that its settings allow. A poll is
its only wake-up, and takes at most five times as many runs as may run at once. arq has no call for
many runs; ten at a time are quicker than one or a hundred.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import uvloop
from arq import Worker, create_pool, func
from arq.connections import ArqRedis, RedisSettings

from probe import DONE, REDIS_URL, VARIANT, mark

PACKAGES = ["arq", "redis", "hiredis", "uvloop"]
VARIANTS = ["tuned", "defaults"]
TITLES = {"tuned": "arq, tuned", "defaults": "arq, defaults"}
TUNED = VARIANT != "defaults"
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "100" if TUNED else "10"))
MAX_JOBS = 10_000 if TUNED else 500
MAX_QUEUED = 200_000 if TUNED else 0
CROWD = True
REDIS = RedisSettings.from_dsn(REDIS_URL)


async def noop(_ctx: dict[str, Any], number: int) -> None:
    """Say that it ran."""
    mark(number)


async def nap(_ctx: dict[str, Any], number: int, seconds: float) -> None:
    """Say that it ran, wait, say that it is done."""
    mark(number)
    await asyncio.sleep(seconds)
    mark(number, DONE)


TASKS = {"noop": noop, "nap": nap}


def worker_command(_workload: str) -> list[str]:
    """How to start one worker process."""
    return [sys.executable, __file__]


async def connect() -> ArqRedis:
    """A client."""
    return await create_pool(REDIS)


async def enqueue(client: ArqRedis, task: str, *args: float) -> None:
    """One run."""
    await client.enqueue_job(task, *args)


async def enqueue_many(client: ArqRedis, task: str, calls: Sequence[tuple[float, ...]]) -> None:
    """Many runs."""
    for first in range(0, len(calls), 10):
        some = calls[first : first + 10]
        await asyncio.gather(*[client.enqueue_job(task, *args) for args in some])


async def close(client: ArqRedis) -> None:
    """Disconnect."""
    await client.aclose()


async def work() -> None:
    """Be a worker until told to stop; or be BENCH_WORKERS of them, who share nothing."""
    count = int(os.environ.get("BENCH_WORKERS", "1"))
    await asyncio.gather(*[_worker().async_run() for _ in range(count)])


def _worker() -> Worker:
    return Worker(
        functions=[func(cast("Any", each), name=name) for name, each in TASKS.items()],
        redis_settings=REDIS,
        max_jobs=CONCURRENCY,
        poll_delay=0.01 if TUNED else 0.5,
        keep_result=0 if TUNED else 3600,
    )


if __name__ == "__main__":
    uvloop.run(work())
