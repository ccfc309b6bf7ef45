"""A worker over the jobs a test declares, in the test's process, and what it must not leave."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import (
    Attempt,
    Client,
    Clock,
    Codec,
    Hooks,
    Job,
    Over,
    Schedule,
    Worker,
    WorkerOptions,
    by_name,
)
from app.engine.redis.connection import make_blocking_redis, open_redis
from app.engine.redis.store import Store
from tests.engine.leaks import leaks

QUEUES = ("urgent", "default", "idle")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The context of the tests' jobs: this attempt, the client, a page to write on, a gate."""

    attempt: Attempt
    client: Client
    page: list[str]
    gate: anyio.Event
    """Closed until the test opens it."""


@dataclass(kw_only=True)
class Workshop:
    """Everything a test of the engine needs: jobs, a client that knows them, workers."""

    client: Client
    redis: RedisSettings
    jobs: dict[str, Job[Any, ..., Any]]
    page: list[str] = field(default_factory=list[str])
    heard: list[Over] = field(default_factory=list[Over])
    gate: anyio.Event = field(default_factory=anyio.Event)

    def worker(
        self,
        *,
        timetable: Sequence[Schedule] = (),
        jobs: Sequence[Job[Any, ..., Any]] | None = None,
        heard: Callable[[Over], None] | None = None,
        hooks: Hooks | None = None,
        roles: Sequence[Callable[[], Awaitable[None]]] = (),
        **options: Any,
    ) -> Worker[Bench]:
        """A worker over the workshop's jobs, or over others."""
        chosen: dict[str, Any] = {
            "poll": timedelta(seconds=0.02),
            "lease": timedelta(seconds=2),
            **options,
        }
        return Worker(
            self.client,
            self.redis,
            jobs=self.jobs if jobs is None else by_name(jobs),
            queues=QUEUES,
            make_context=self._bench,
            timetable=timetable,
            options=WorkerOptions(**chosen),
            heard=heard or self.heard.append,
            hooks=hooks or Hooks(),
            roles=roles,
        )

    def _bench(self, attempt: Attempt) -> Bench:
        return Bench(attempt=attempt, client=self.client, page=self.page, gate=self.gate)

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncGenerator[Worker[Bench]]:
        """A worker that works while the block lasts."""
        worker = self.worker(**options)
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            try:
                yield worker
            finally:
                worker.stop()
                worker.stop()

    async def drain(self, **options: Any) -> None:
        """Run everything there is, deferred runs included."""
        with anyio.fail_after(20):
            await self.worker(burst=True, **options).run()


Open = Callable[..., AbstractAsyncContextManager[Workshop]]


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Generator[None]:
    """Fail a test that leaves anything of runs that are over, or of workers that are gone."""
    if "clean_redis" not in request.fixturenames:
        yield
        return
    settings: RedisSettings = request.getfixturevalue("clean_redis")
    yield
    redis = make_blocking_redis(settings)
    try:
        assert leaks(redis) == []
    finally:
        redis.close()


@asynccontextmanager
async def workshop_at(
    redis: RedisSettings, codec: Codec, *jobs: Job[Any, ..., Any], clock: Clock | None = None
) -> AsyncGenerator[Workshop]:
    """A workshop on this server."""
    async with open_redis(redis) as connection:
        named = by_name(jobs)
        store = Store(connection, clock or Clock())
        client = Client(store, codec, jobs=named, queues=QUEUES)
        yield Workshop(client=client, redis=redis, jobs=named)


@pytest.fixture
def workshop(clean_redis: RedisSettings, codec: Codec, clock: Clock) -> Open:
    """Open a workshop over the jobs given to it."""
    return lambda *jobs: workshop_at(clean_redis, codec, *jobs, clock=clock)
