"""Steward's engine, whole: signed payloads, retry policies, events, leases, deadlines.

One worker process, uvloop, 100 runs at once. Variants: kept = results are kept for an hour, as
shipped; none = no results (a marker stays for a minute, so that a repeated enqueue is known).
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import anyio
from arq.connections import RedisSettings

from app.engine import (
    Attempt,
    Client,
    Codec,
    Job,
    Worker,
    WorkerOptions,
    by_name,
    heeding_signals,
    job,
)
from probe import DONE, REDIS_URL, VARIANT, mark

PACKAGES = ["arq", "redis", "hiredis", "uvloop", "msgspec"]
VARIANTS = ["kept", "none"]
TITLES = {"kept": "Steward", "none": "Steward, no results"}
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "100"))
CROWD = True
REDIS = RedisSettings.from_dsn(REDIS_URL)
CODEC = Codec([b"a key for one benchmark, 32 bytes"])


@dataclass(frozen=True, slots=True)
class Context:
    """What the benchmark's jobs are given."""

    attempt: Attempt
    client: Client


@job(queue="bench", name="bench.noop")
async def noop(_ctx: Context, number: int) -> None:
    """Say that it ran."""
    mark(number)


@job(queue="bench", name="bench.nap")
async def nap(_ctx: Context, number: int, seconds: float) -> None:
    """Say that it ran, wait, say that it is done."""
    mark(number)
    await asyncio.sleep(seconds)
    mark(number, DONE)


JOBS = by_name([noop, nap])
TASKS: dict[str, Job[Context, ..., None]] = {"noop": noop, "nap": nap}


def worker_command(_workload: str) -> list[str]:
    """How to start one worker process."""
    return [sys.executable, __file__]


async def connect() -> tuple[AsyncExitStack, Client]:
    """A client, and what closes it."""
    stack = AsyncExitStack()
    client = await stack.enter_async_context(Client.open(REDIS, CODEC, jobs=JOBS))
    await client.ping()
    return stack, client


async def enqueue(opened: tuple[AsyncExitStack, Client], task: str, *args: float) -> None:
    """One run."""
    await opened[1].enqueue_call(TASKS[task].call(*args))


async def enqueue_many(
    opened: tuple[AsyncExitStack, Client], task: str, calls: Sequence[tuple[float, ...]]
) -> None:
    """Many runs."""
    await opened[1].enqueue_many(TASKS[task].call(*args) for args in calls)


async def close(opened: tuple[AsyncExitStack, Client]) -> None:
    """Disconnect."""
    await opened[0].aclose()


async def work() -> None:
    """Be a worker until told to stop; or be BENCH_WORKERS of them, who share nothing."""
    async with anyio.create_task_group() as group:
        for _ in range(int(os.environ.get("BENCH_WORKERS", "1"))):
            group.start_soon(work_alone)


async def work_alone() -> None:
    """Be one worker."""
    keep = timedelta(0) if VARIANT == "none" else timedelta(hours=1)
    async with Client.open(REDIS, CODEC, jobs=JOBS) as client:
        worker = Worker(
            client,
            REDIS,
            jobs=JOBS,
            queues=["bench"],
            make_context=lambda attempt: Context(attempt, client),
            options=WorkerOptions(concurrency=CONCURRENCY, guarded=True, keep_result=keep),
        )
        async with heeding_signals(lambda _: worker.stop()):
            await worker.run()


if __name__ == "__main__":
    anyio.run(work, backend_options={"use_uvloop": True})
