"""Fixtures for testing jobs, ours and yours: `pytest -p app.testing`.

clock            a clock that only you move: `clock.advance(hours(1))`
redis_settings   a Valkey of the test session's own
clean_redis      the same, emptied before the test
codec, client    a client of it
context          every service in memory or on a scratch database, for calling a job as a function
"""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Clock, Codec, ManualClock
from app.engine.connection import open_redis
from app.engine.store import Store
from app.local.valkey import open_valkey


@pytest.fixture(scope="session")
def redis_home() -> Generator[Path]:
    """Where the session's Valkey lives: a path short enough for its socket."""
    folder = Path(tempfile.mkdtemp(prefix="steward-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def redis_settings(redis_home: Path) -> AsyncGenerator[RedisSettings]:
    """A Valkey that lives as long as the test session."""
    async with open_valkey(redis_home) as settings:
        yield settings


@pytest.fixture
async def clean_redis(redis_settings: RedisSettings) -> RedisSettings:
    """The session's Valkey, emptied."""
    async with open_redis(redis_settings) as redis:
        await redis.flushdb()
    return redis_settings


@pytest.fixture
def clock() -> Clock:
    """A clock that moves when the test says so, and with real time."""
    return ManualClock()


@pytest.fixture
def codec() -> Codec:
    """Seals with a key of the tests'."""
    return Codec([b"a key that only tests sign with"])


@pytest.fixture
async def client(clean_redis: RedisSettings, codec: Codec, clock: Clock) -> AsyncGenerator[Client]:
    """A client of an empty Redis, for all jobs and queues."""
    async with open_redis(clean_redis) as redis:
        yield Client(Store(redis, clock), codec)
