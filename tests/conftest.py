"""What every test may ask for, beside the fixtures of app.testing."""

import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from arq.connections import RedisSettings
from hypothesis import settings

from app.local.valkey import open_valkey
from tests.plugins.ways import VARIABLE
from tests.postgres import Server, find_binaries, shared_server
from tests.rights import asked, refused

settings.register_profile("steward", deadline=None)  # a busy machine is no bug
settings.load_profile("steward")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests and fixtures on asyncio, as Steward does."""
    return "asyncio"


@pytest.fixture(scope="session")
async def redis_settings(redis_home: Path) -> AsyncGenerator[RedisSettings]:
    """A home's Valkey that lives as long as the test session, or what `--way` asks for."""
    if VARIABLE in os.environ:
        from tests import servers

        path, durable = servers.program("valkey"), {"appendonly": "yes", "appendfsync": "everysec"}
        async with servers.running(path, redis_home, **durable) as server:
            yield server.settings
    else:
        async with open_valkey(redis_home) as settings:
            yield settings


@pytest.fixture
async def clean_redis(redis_settings: RedisSettings) -> AsyncGenerator[RedisSettings]:
    """The session's Valkey, emptied; it may refuse nothing to whoever has Steward's rights."""
    await asked(redis_settings, "FLUSHALL")
    yield redis_settings
    assert await refused(redis_settings) == []
    if VARIABLE in os.environ:
        from tests.ways import strange_keys

        assert await strange_keys(redis_settings) == []


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A PostgreSQL that lives as long as the test session, all of its processes."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb is not installed")
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with shared_server(shared, binaries) as server:
        yield server
