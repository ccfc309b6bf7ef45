"""A home for each test or file, commands on it, and one that is started for a whole file."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import pytest
from anyio.from_thread import start_blocking_portal

from app.local.valkey import open_valkey
from tests.cli.command import Command, Running
from tests.local.conftest import server_pid

READY = "Runs, as they happen"
QUICK = {"STEWARD_WORKER__POLL": "0.05", "STEWARD_WORKER__LEASE": "2"}


@contextmanager
def a_home() -> Generator[Command]:
    """A home with a path short enough for its socket; what is left running in it is killed."""
    folder = Path(tempfile.mkdtemp(prefix="cli-")).resolve()
    try:
        yield Command(folder / "home", QUICK)
    finally:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(server_pid(folder / "home"), SIGKILL)
        shutil.rmtree(folder)


@contextmanager
def started(command: Command, **settings: str) -> Generator[Running]:
    """`start` on this home, while the block lasts."""
    running = command.begin("start", **settings)
    try:
        running.says(READY)
        yield running
    finally:
        running.kill()


@pytest.fixture
def steward() -> Generator[Command]:
    """The command on a home of the test's own, on which nothing runs."""
    with a_home() as command:
        yield command


@pytest.fixture(scope="module")
def started_steward() -> Generator[Command]:
    """The command on a home that is started, shared by the tests of a file."""
    with a_home() as command, started(command):
        yield command


@pytest.fixture(scope="module")
def idle_steward() -> Generator[Command]:
    """The command on a home whose Valkey runs and where nobody works, shared by a file's tests."""
    with (
        a_home() as command,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_valkey(command.home)),
    ):
        yield command
