"""An arq project in the test's process: its settings, its clients, and our worker over it."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import arq
import pytest
from arq import func
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job as PlainRun

from app.engine import Over, Worker, WorkerOptions, seconds
from app.engine.dropin import open_arq_worker, read_arq_settings

Ctx = dict[Any, Any]
QUEUE = "arq:queue"


def serialize(data: dict[str, Any]) -> bytes:
    """JSON, with exceptions as what they say."""
    return json.dumps(data, default=repr).encode()


@dataclass(kw_only=True)
class Project:
    """What an arq project consists of."""

    settings: dict[str, Any]
    plain: ArqRedis
    heard: list[Over] = field(default_factory=list[Over])

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncGenerator[Worker[Ctx]]:
        """Our worker on the project's queue, while the block lasts."""
        async with self._open(**options) as worker, anyio.create_task_group() as group:
            group.start_soon(worker.run)
            try:
                yield worker
            finally:
                worker.stop()
                worker.stop()

    async def drain(self, **options: Any) -> None:
        """Let our worker run everything there is."""
        with anyio.fail_after(20):
            async with self._open(burst=True, **options) as worker:
                await worker.run()

    def _open(self, **options: Any) -> AbstractAsyncContextManager[Worker[Ctx]]:
        quick = WorkerOptions(poll=timedelta(seconds=0.05), lease=seconds(2))
        settings = read_arq_settings(self.settings)
        return open_arq_worker(settings, options=quick, heard=self.heard.append, **options)

    async def enqueue(self, name: str, *args: Any, **options: Any) -> PlainRun:
        """What the project's own code does."""
        run = await self.plain.enqueue_job(name, *args, **options)
        assert run is not None
        return run


def _named(function: Any) -> Any:
    """Arq names a function by where it is defined; those of a test are defined in it."""
    return func(function, name=getattr(function, "__name__", None))


Open = Callable[..., AbstractAsyncContextManager[Project]]


@pytest.fixture
def project(clean_redis: RedisSettings) -> Open:
    """Open a project with these settings and functions; what it leaves in Redis is removed."""

    @asynccontextmanager
    async def opened(*functions: Any, **settings: Any) -> AsyncGenerator[Project]:
        chosen: dict[str, Any] = {
            "functions": [_named(each) for each in functions],
            "redis_settings": clean_redis,
            "job_serializer": serialize,
            "job_deserializer": json.loads,
            "ctx": {},
            **settings,
        }
        plain = await arq.create_pool(
            clean_redis,
            job_serializer=chosen["job_serializer"],
            job_deserializer=chosen["job_deserializer"],
            default_queue_name=settings.get("queue_name", QUEUE),
        )
        try:
            yield Project(settings=chosen, plain=plain)
        finally:
            await plain.aclose()

    return opened
