"""`backup`: saved, listed, found whole or damaged, and put back; and killed in the middle."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from app import cli
from app.cli.backup import unused
from app.cli.failures import NotDone
from app.local.home import GATE_LOCK, START_LOCK
from app.local.lock import Lock
from app.services.backup import BackupError, BadBackup, TargetInUse
from app.storage.database import Database
from app.storage.users import Users
from tests.cli.command import Command

LARGE = 20_000_000


pytestmark = pytest.mark.usefixtures("anyio_backend")  # a database is made by a coroutine


@dataclass
class Said:
    """The command, in this process, and what it printed."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    code: int = 0
    err: str = ""

    def __call__(self, *words: str) -> str:
        """Run it; what it raises is the line that its user would read."""
        said = ["backup", *words]
        run = partial(
            cli.steward(said).run_async,
            print_error=False,
            exit_on_error=False,
            result_action="return_value",
        )
        with start_blocking_portal() as portal:  # the session's fixtures are in a loop here
            code: int | None = portal.call(run, said)
        out, self.err = self.capsys.readouterr()
        self.code = code or 0
        return out

    def json(self, *words: str) -> Any:
        """The same, as JSON."""
        return json.loads(self(*words, "--json"))


@pytest.fixture
def steward(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Said:
    """The command on an empty home."""
    for name in [name for name in os.environ if name.startswith("STEWARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEWARD_HOME", str(tmp_path / "home"))
    return Said(tmp_path / "home", capsys)


def settle_in(steward: Said, migrated: Path) -> None:
    """Be somebody's home, with a note in it."""

    async def settle() -> None:
        async with Database.open(steward.home / "steward.db") as database:
            await Users(database).ensure_owner(
                name="Ann", address="ann@example.com", timezone="UTC"
            )

    (steward.home / "notes").mkdir(parents=True)
    (steward.home / "notes/tea.md").write_text("Tea with Ann")
    (steward.home / "steward.db").write_bytes(migrated.read_bytes())
    with start_blocking_portal() as portal:
        portal.call(settle)


def test_there_is_nothing_to_save_in_a_home_nobody_lives_in(steward: Said) -> None:
    with pytest.raises(NotDone, match="there is nothing to save"):
        steward("now")

    assert "no backup yet" in steward()
    with pytest.raises(BackupError, match="yet: `steward backup now` makes one"):
        steward("verify")
    assert not steward.home.exists()


def test_a_backup_is_made_listed_verified_and_put_back(steward: Said, migrated: Path) -> None:
    settle_in(steward, migrated)
    note = steward.home / "notes/tea.md"

    made = steward.json("now")
    (listed,) = steward.json("list")
    assert steward("verify", made["name"]) == f"{made['name']} is whole: 2 files\n"
    with pytest.raises(TargetInUse, match="--yes"):
        steward("restore", "latest")
    note.write_text("overwritten")
    back = steward.json("restore", "latest", "--yes")
    elsewhere = steward.home.parent / "elsewhere"
    steward("restore", made["name"], "--to", str(elsewhere))

    assert (made["status"], made["users_backed_up"], made["files"]) == ("success", 1, 2)
    assert (listed["name"], listed["size"]) == (made["name"], made["size"])
    assert note.read_text() == "Tea with Ann"
    assert (Path(back["aside"]) / "notes/tea.md").read_text() == "overwritten"
    with closing(sqlite3.connect(elsewhere / "steward.db")) as database:
        assert database.execute("SELECT name FROM users").fetchall() == [("Ann",)]


def test_a_damaged_backup_is_found_and_not_put_back(steward: Said, migrated: Path) -> None:
    settle_in(steward, migrated)
    made = steward.json("now")
    file = steward.home / "backups" / made["name"]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    told = steward("verify")

    assert (told, steward.code) == ("", 1)
    assert "checksum differs" in steward.err
    with pytest.raises(BadBackup):
        steward("restore", "latest", "--yes")
    assert (steward.home / "notes/tea.md").read_text() == "Tea with Ann"


def test_what_is_missing_from_a_backup_is_a_failure_and_said(
    steward: Said, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_in(steward, migrated)
    monkeypatch.setenv("STEWARD_BACKUP__FOLDERS", '["/nowhere/at/all"]')

    out = steward("now")

    assert steward.code == 1
    assert "partial_success" in out
    assert "No such file or directory" in steward.err
    assert steward("list").count("steward-") == 1


def test_a_home_in_use_is_not_exchanged(steward: Said, migrated: Path) -> None:
    settle_in(steward, migrated)
    steward("now")

    with closing(sqlite3.connect(steward.home / "steward.db")) as somebody:
        somebody.execute("SELECT * FROM users").fetchall()
        with pytest.raises(NotDone, match="is in use"):
            steward("restore", "latest", "--yes")


@pytest.mark.parametrize("name", [GATE_LOCK, START_LOCK])
def test_nobody_begins_to_use_a_home_while_it_is_exchanged(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    with unused(tmp_path), Lock(tmp_path / name) as newcomer:
        during = newcomer.take()
    with Lock(tmp_path / name) as newcomer:
        after = newcomer.take()

    assert (during, after) == (False, True)


@pytest.mark.case(64)
def test_one_that_is_killed_leaves_the_one_before_and_no_half_one(
    steward: Said, migrated: Path
) -> None:
    settle_in(steward, migrated)
    before = steward.json("now")
    large, folder = steward.home / "notes/large", steward.home / "backups"
    large.write_bytes(os.urandom(LARGE))

    running = subprocess.Popen(
        [sys.executable, "-m", "app", "backup", "now"],
        env=Command(steward.home, {}).environment(),
    )
    while not any(each.stat().st_size for each in folder.glob(".steward-*.unfinished")):
        with suppress(subprocess.TimeoutExpired):
            running.wait(timeout=0.01)
            raise AssertionError("it was too quick to be killed")
    running.send_signal(signal.SIGKILL)
    assert running.wait(timeout=20) == -signal.SIGKILL

    assert [each["name"] for each in steward.json("list")] == [before["name"]]
    assert "is whole" in steward("verify")
    large.unlink()
    steward("now")
    assert len(steward.json("list")) == 2
    assert not [*folder.glob(".*unfinished")]


def test_there_is_no_backup_of_another_name(steward: Said) -> None:
    with pytest.raises(BackupError, match="there is no backup"):
        steward("verify", "../../etc/passwd")
