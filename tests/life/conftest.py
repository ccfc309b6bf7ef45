"""A home for each story; what a story leaves running is killed, and what it said is shown."""

import os
from collections.abc import AsyncGenerator, Generator

import pytest

from app.context import Services
from app.storage.runs import Runs
from tests import servers
from tests.life.home import Home
from tests.life.ledger import Ledger
from tests.life.witness import Witness
from tests.plugins.tiers import Tier
from tests.postgres import Server
from tests.scratch_home import scratch_folder
from tests.ways import strange_keys, way


@pytest.fixture
async def postgres_url(postgres: Server) -> AsyncGenerator[str]:
    """A database of a server, for the story alone."""
    async with postgres.database() as url:
        yield url


@pytest.fixture
async def way_there() -> AsyncGenerator[servers.Server]:
    """A server for the story alone, where `--way` asks for more than a home's own."""
    durable = {"appendonly": "yes", "appendfsync": "everysec"}
    with servers.folder() as place:
        async with servers.running(servers.program("valkey"), place, **durable) as running:
            yield running
            assert await strange_keys(running.settings) == []


@pytest.fixture
def home(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tier: Tier
) -> Generator[Home]:
    """A home with a path short enough for its socket, and no settings but the tests'."""
    is_elsewhere = getattr(request, "param", "sqlite") == "postgresql"
    database_url: str = request.getfixturevalue("postgres_url") if is_elsewhere else ""
    for name in [name for name in os.environ if name.startswith("STEWARD_")]:
        monkeypatch.delenv(name)
    with scratch_folder("life-") as folder:
        home = Home(path=folder / "home", folder=folder, ledger=Ledger(folder / "ledger"))
        home.database_url, home.limit = database_url, tier.bound(2, loose=15)
        if way():
            home.lives_on(request.getfixturevalue("way_there"))
        yield home
        by_itself = [each.pid for each in home.lives() if each.ended and not home.was_opened]
        for process in home.started:
            process.end()
            print(f"--- worker {process.pid} said:\n{process.said()}")
        assert by_itself == [], "I6: workers ended by themselves"


@pytest.fixture
async def steward(home: Home) -> AsyncGenerator[Services]:
    """The inside of the home, as jobs and applications see it."""
    async with home.open() as services:
        yield services


@pytest.fixture
def witness(home: Home, steward: Services) -> Witness:
    """Who looks on in the home, and compares with the history, too."""
    home.witness.history = Runs(steward.database)
    return home.witness
