"""Stock arq beside us: its clients with our serializer, and its workers over our jobs."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import arq
import arq.worker
from arq.connections import ArqRedis, RedisSettings

from app.engine import ArqWorker, Attempt, Codec, arq_functions
from tests.engine.conftest import Bench, Workshop
from tests.eventually import eventually

QUEUE = "arq:queue:default"
STOCK: type[Any] = ArqWorker.__mro__[1]
"""arq's own worker, whatever `install()` has put in its place."""


@asynccontextmanager
async def plain_client(redis: RedisSettings, codec: Codec) -> AsyncGenerator[ArqRedis]:
    """A client of stock arq."""
    pool = await arq.create_pool(
        redis,
        job_serializer=codec.dumps,
        job_deserializer=codec.loads,
        default_queue_name=QUEUE,
    )
    try:
        yield pool
    finally:
        await pool.aclose()


@asynccontextmanager
async def plain_working(shop: Workshop, **options: Any) -> AsyncGenerator[arq.worker.Worker]:
    """A worker of stock arq that works while the block lasts; then it gives back what it runs."""
    worker = _plain_worker(shop, **options)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.async_run)
        await eventually(lambda: "redis" in worker.ctx)
        try:
            yield worker
        finally:
            worker.burst, worker.max_burst_jobs, worker.max_jobs = True, 0, 0
            await eventually(lambda: _has_ended(worker))
    await _close(worker)


async def plain_drain(shop: Workshop, **options: Any) -> None:
    """Let a worker of stock arq run everything there is."""
    worker = _plain_worker(shop, burst=True, **options)
    with anyio.fail_after(20):
        await worker.async_run()
    await _close(worker)


def _has_ended(worker: arq.worker.Worker) -> bool:
    """Cancel the jobs that run; arq's own `close` cancels its commits with them."""
    for task in worker.job_tasks.values():
        task.cancel()
    return worker.main_task is None or worker.main_task.done()


async def _close(worker: arq.worker.Worker) -> None:
    await worker.pool.delete(worker.health_check_key)
    await worker.pool.aclose()


def _plain_worker(shop: Workshop, **options: Any) -> arq.worker.Worker:
    def bench(_ctx: Mapping[Any, Any], attempt: Attempt) -> Bench:
        return Bench(attempt=attempt, client=shop.client, page=shop.page, gate=shop.gate)

    codec = shop.client.codec
    assert isinstance(codec, Codec)
    worker: arq.worker.Worker = STOCK(
        arq_functions(shop.jobs, codec, bench),
        queue_name=QUEUE,
        redis_settings=shop.redis,
        job_serializer=codec.dumps,
        job_deserializer=codec.loads,
        handle_signals=False,
        **{"poll_delay": 0.01, "allow_abort_jobs": True, **options},
    )
    return worker
