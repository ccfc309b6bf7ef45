"""People and servers for the tests of mail."""

import ssl
from collections.abc import AsyncGenerator

import pytest

from app.storage.database import Database
from app.storage.users import User, Users
from tests.services.mail.capture import CERTIFICATE, Capture, smtp_server


@pytest.fixture
async def ann(database: Database) -> User:
    """The owner of the home."""
    users = Users(database)
    return await users.ensure_owner(name="Ann", address="ann@example.org", timezone="UTC")


@pytest.fixture
async def capture() -> AsyncGenerator[Capture]:
    """An SMTP server without login or TLS."""
    async with smtp_server(Capture()) as server:
        yield server


@pytest.fixture
def trust() -> ssl.SSLContext:
    """Trusts the test server's certificate."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))
