"""A Redis that may lose runs, or give them to anybody: no worker begins on it unless told to."""

import sys
from collections.abc import AsyncGenerator

import pytest

from app.context import Services
from app.engine import seconds
from tests import servers
from tests.life import jobs
from tests.life.home import OURS, STEWARD, Home
from tests.plugins.cases import Case
from tests.rights import python_path
from tests.servers import Server

COMMAND = (sys.executable, "-m", "app")
REFUSED = "this Redis is refused"


@pytest.fixture
async def server(home: Home) -> AsyncGenerator[Server]:
    """One that drops keys when it is full, and forgets them when it ends."""
    with servers.folder() as place:
        careless = {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}
        async with servers.running(servers.program("redis"), place, **careless) as running:
            home.lives_on(running)
            yield running


@pytest.fixture
async def steward(home: Home, server: Server) -> AsyncGenerator[Services]:
    """The inside of the home, on that server."""
    assert server.port
    async with home.open() as services:
        yield services


@pytest.mark.case(16)
async def test_each_command_refuses_it_and_says_what_to_change(
    home: Home, server: Server, case: Case
) -> None:
    unaccepted = {"STEWARD_REDIS__ACCEPT": "[]", "PYTHONPATH": python_path()}
    refused = [
        home.worker(STEWARD, **unaccepted),
        home.worker("worker", program=COMMAND, **unaccepted),
        home.worker("worker", "--processes=2", program=COMMAND, **unaccepted),
        home.worker("start", program=COMMAND, **unaccepted),
        home.worker("check", "redis", program=COMMAND, **unaccepted),
    ]

    codes = [await each.exit_code(within=seconds(40)) for each in refused]
    said = [each.said() for each in refused]

    case.says(
        f"a Redis that evicts and keeps nothing, on port {server.port}",
        arq="4,428 of 8,000 runs lost in silence",
        steward=f"refused by {len(refused)} commands of {len(refused)}, each with the reason",
    )
    assert codes == [1] * len(refused)
    for each in said:
        assert REFUSED in each
        assert "allkeys-lru" in each
        assert "appendonly" in each
        assert 'STEWARD_REDIS__ACCEPT=["eviction", "no-persistence"]' in each


@pytest.mark.case(16)
async def test_what_is_accepted_is_worked_on(home: Home, steward: Services) -> None:
    accepted = '["eviction", "no-persistence"]'
    await home.worker(OURS, STEWARD_REDIS__ACCEPT=accepted).ready(steward.client)

    noted = await steward.client.enqueue(jobs.note)

    assert await noted.result(within=seconds(20))
