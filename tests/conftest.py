"""What every test may ask for, beside the fixtures of app.testing."""

import os
from collections.abc import AsyncGenerator, Generator

import pytest
from arq.connections import RedisSettings
from hypothesis import settings

from tests.postgres import Server, find_binaries, shared_server
from tests.rights import asked, refused

settings.register_profile("steward", deadline=None)  # a busy machine is no bug
settings.load_profile("steward")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests and fixtures on asyncio, as Steward does."""
    return "asyncio"


@pytest.fixture
async def clean_redis(redis_settings: RedisSettings) -> AsyncGenerator[RedisSettings]:
    """The session's Valkey, emptied; it may refuse nothing to whoever has Steward's rights."""
    await asked(redis_settings, "FLUSHDB")
    yield redis_settings
    assert await refused(redis_settings) == []


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
