"""A CalDAV server for the tests of one process, and an account on it."""

from collections.abc import AsyncGenerator
from itertools import count

import pytest

from tests.radicale import Radicale, radicale, ready

_NUMBERS = count(1)


@pytest.fixture(scope="session")
async def caldav_server() -> AsyncGenerator[Radicale]:
    """The server."""
    with radicale() as server:
        await ready(server)
        yield server


@pytest.fixture
async def calendar_name(caldav_server: Radicale) -> str:
    """A calendar that no other test has, empty; this is the last part of its address."""
    name = f"calendar-{next(_NUMBERS)}"
    await caldav_server.make_calendar(name, "Work")
    return name
