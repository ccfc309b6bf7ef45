"""`backup`: saved while Steward runs, listed, found whole or damaged, and put back."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from app.storage.database import Database
from app.storage.users import Users
from tests.cli.command import Command
from tests.cli.conftest import a_home

LARGE = 40_000_000


@pytest.fixture(scope="module")
def lived_in() -> Generator[Command]:
    """A home that was started once, with a note in it."""
    with a_home() as command:
        make(command)
        yield command


@pytest.fixture
def fresh() -> Generator[Command]:
    with a_home() as command:
        make(command)
        yield command


def make(command: Command) -> None:
    async def settle_in() -> None:
        async with Database.open(command.home / "steward.db") as database:
            await database.migrate()
            await Users(database).ensure_owner(
                name="Ann", address="ann@example.com", timezone="UTC"
            )

    with start_blocking_portal() as portal:  # fixtures are set up in a loop
        portal.call(settle_in)
    (command.home / "notes").mkdir()
    (command.home / "notes/tea.md").write_text("Tea with Ann")


def test_there_is_nothing_to_save_in_a_home_nobody_lives_in(steward: Command) -> None:
    done = steward("backup", "now")

    assert done.code == 1
    assert "there is nothing to save" in done.line
    assert "no backup yet" in steward("backup").out
    assert not (steward.home / "steward.db").exists()


def test_a_backup_is_made_listed_verified_and_put_back(lived_in: Command) -> None:
    made = lived_in("backup", "now", "--json").json()
    (listed,) = lived_in("backup", "list", "--json").json()
    verified = lived_in("backup", "verify", made["name"])
    there = lived_in("backup", "restore", "latest")
    (lived_in.home / "notes/tea.md").write_text("overwritten")
    back = lived_in("backup", "restore", "latest", "--yes", "--json").json()
    elsewhere = lived_in.home.parent / "elsewhere"
    other = lived_in("backup", "restore", made["name"], "--to", str(elsewhere))

    assert (made["status"], made["users_backed_up"], made["files"]) == ("success", 1, 2)
    assert (listed["name"], listed["size"]) == (made["name"], made["size"])
    assert verified.out == f"{made['name']} is whole: 2 files\n"
    assert (there.code, "--yes" in there.line) == (1, True)
    assert (lived_in.home / "notes/tea.md").read_text() == "Tea with Ann"
    assert (Path(back["aside"]) / "notes/tea.md").read_text() == "overwritten"
    assert other.code == 0
    with closing(sqlite3.connect(elsewhere / "steward.db")) as database:
        assert database.execute("SELECT name FROM users").fetchall() == [("Ann",)]


def test_a_damaged_backup_is_found_and_not_put_back(fresh: Command) -> None:
    made = fresh("backup", "now", "--json").json()
    file = fresh.home / "backups" / made["name"]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    verified = fresh("backup", "verify")
    restored = fresh("backup", "restore", "latest", "--yes")

    assert (verified.code, restored.code) == (1, 1)
    assert "checksum differs" in verified.line
    assert (fresh.home / "notes/tea.md").read_text() == "Tea with Ann"


def test_a_home_in_use_is_not_exchanged(fresh: Command) -> None:
    fresh("backup", "now")

    with closing(sqlite3.connect(fresh.home / "steward.db")) as somebody:
        somebody.execute("SELECT * FROM users").fetchall()
        done = fresh("backup", "restore", "latest", "--yes")

    assert done.code == 1
    assert "is in use" in done.line


@pytest.mark.case(64)
def test_one_that_is_killed_leaves_the_one_before_and_no_half_one(fresh: Command) -> None:
    before = fresh("backup", "now", "--json").json()
    (fresh.home / "notes/large").write_bytes(os.urandom(LARGE))

    running = subprocess.Popen(
        [sys.executable, "-m", "app", "backup", "now"], env=fresh.environment(), cwd=fresh.home
    )
    folder = fresh.home / "backups"
    while not any(each.stat().st_size for each in folder.glob(".steward-*.unfinished")):
        assert running.poll() is None, "it was too quick to be killed"
    running.send_signal(signal.SIGKILL)
    assert running.wait(timeout=20) == -signal.SIGKILL

    (only,) = fresh("backup", "list", "--json").json()
    assert only["name"] == before["name"]
    assert fresh("backup", "verify").code == 0
    after = fresh("backup", "now", "--json").json()
    assert after["total_size"] > LARGE
    assert not [*folder.glob(".*unfinished")]
    assert len(json.loads(fresh("backup", "list", "--json").out)) == 2


@pytest.mark.parametrize("words", [("restore",), ("verify", "a", "b"), ("now", "--what")])
def test_what_can_not_be_meant_is_said(steward: Command, words: tuple[str, ...]) -> None:
    assert steward("backup", *words).code == 2
