"""What every test may ask for, beside the fixtures of app.testing."""

from collections.abc import AsyncGenerator

import pytest
from arq.connections import RedisSettings
from hypothesis import settings

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
