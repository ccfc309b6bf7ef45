"""What every test may ask for, beside the fixtures of app.testing."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests and fixtures on asyncio, as Steward does."""
    return "asyncio"
