"""What every test may ask for, beside the fixtures of app.testing."""

import pytest
from hypothesis import settings

settings.register_profile("steward", deadline=None)  # a busy machine is no bug
settings.load_profile("steward")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests and fixtures on asyncio, as Steward does."""
    return "asyncio"
