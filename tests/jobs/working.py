"""A worker in the test's own process, over the real jobs."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from arq.connections import RedisSettings

from app.context import Services, context_of
from app.engine import Job, Worker, WorkerOptions, seconds
from app.queues import NAMES


@asynccontextmanager
async def working(
    services: Services, redis: RedisSettings, jobs: Mapping[str, Job[Any, ..., Any]]
) -> AsyncGenerator[None]:
    """A worker that serves every queue while the block lasts."""
    worker = Worker(
        services.client,
        redis,
        jobs=jobs,
        queues=NAMES,
        make_context=partial(context_of, services),
        options=WorkerOptions(poll=seconds(0.02), grace=seconds(1)),
    )
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        yield
        worker.stop()
