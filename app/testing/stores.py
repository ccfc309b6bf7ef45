"""Fixtures of what keeps things: a Valkey, a database, and a clock that both go by."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, ManualClock
from app.local.valkey import open_valkey
from app.storage.database import Database
from app.storage.users import User, Users

_KEY = b"a key that only tests sign with"


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
    async with Client.open(redis_settings, Codec([_KEY])) as anybody:
        await anybody.store.redis.flushdb()
    return redis_settings


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves when the test says so, and with real time."""
    return ManualClock()


@pytest.fixture
def codec() -> Codec:
    """Seals with a key of the tests'."""
    return Codec([_KEY])


@pytest.fixture
async def client(
    clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[Client]:
    """A client of an empty Redis, for all jobs and queues."""
    async with Client.open(clean_redis, codec, clock=clock) as opened:
        yield opened


@pytest.fixture(scope="session")
async def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with every table and no rows, made once and copied by `database`."""
    path = tmp_path_factory.mktemp("migrated") / "steward.db"
    async with Database.open(path) as database:
        await database.migrate()
    return path


@pytest.fixture
async def database(migrated: Path, tmp_path: Path) -> AsyncGenerator[Database]:
    """An empty, migrated database of the test's own."""
    path = tmp_path / "steward.db"
    shutil.copy(migrated, path)
    async with Database.open(path) as opened:
        yield opened


@pytest.fixture
async def owner(database: Database, clock: ManualClock) -> User:
    """The first user."""
    users = Users(database, now=clock.now)
    return await users.ensure_owner(name="Ann", address="ann@example.com", timezone="UTC")
