"""The dictionary that arq calls a function with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import arq
from arq.connections import ArqRedis
from arq.utils import ms_to_datetime

from app.engine.attempt import Attempt
from app.engine.dropin.settings import ArqSettings
from app.engine.redis.steps import answering


@asynccontextmanager
async def open_pool(settings: ArqSettings) -> AsyncGenerator[ArqRedis]:
    """Its `redis`, which enqueues in the project's own words; raises `Unavailable`."""
    async with answering():
        pool = await arq.create_pool(
            settings.redis,
            job_serializer=settings.serializer,
            job_deserializer=settings.deserializer,
            default_queue_name=settings.queue_name,
            expires_extra_ms=settings.expires_extra_ms,
        )
    try:
        yield pool
    finally:
        await pool.aclose()


def ctx_of(shared: dict[Any, Any], attempt: Attempt) -> dict[Any, Any]:
    """What `on_startup` left there, and the facts of this attempt."""
    return {
        **shared,
        "job_id": attempt.run_id,
        "job_try": attempt.number,
        "enqueue_time": ms_to_datetime(int(attempt.enqueued_ms)),
        "score": int(attempt.due_ms),
    }
