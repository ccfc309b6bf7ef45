"""Homes whose database is on a PostgreSQL: it is in their backups, and comes back out of them."""

import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import AsyncGenerator
from contextlib import closing, suppress
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync
from sqlalchemy import Column, Enum, String, insert, select, text, update

from app.services.backup import Backups, BackupStatus, NotRestored, Retention, TargetInUse
from app.services.backup.scope import Scope
from app.services.backup.shelf import Shelf
from app.storage.base import Json, UtcDateTime
from app.storage.database import Database
from app.storage.errors import DatabaseInUse, HoldsRows
from app.storage.exchange import replace_rows
from app.storage.migrations import every_table
from app.storage.mirror import RESTORED, MirrorRow
from app.storage.sightings import SightingRow
from app.storage.users import UserRow, Users
from tests.cli.command import Command
from tests.postgres import Server

LATE = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
ODD = "x \N{HOT BEVERAGE}'\"\\N\t\r\n "
MANY = 20_000


@pytest.fixture
async def url(postgres: Server) -> AsyncGenerator[str]:
    """A database with one user in it, and rows of every odd kind."""
    async with postgres.database() as url:
        async with Database.open(url) as database:
            await settle(database)
        yield url


async def settle(database: Database) -> None:
    """Two users, and a row in every other table."""
    await Users(database).ensure_owner(name="Ann", address="ann@example.com", timezone="UTC")
    await Users(database).add(name="Bob", address="bob@example.com")
    async with database.write() as session:
        await session.execute(
            update(UserRow).values(quiet_from=time(23, 59, 59, 999_999), created_at=LATE)
        )
        for table in every_table().sorted_tables:
            if table.name != "users":
                values = {each.key: odd_value(each) for each in table.columns}
                await session.execute(insert(table).values(values))
        await session.execute(update(MirrorRow).values(cursor=RESTORED))  # as a restore does


def odd_value(column: "Column[Any]") -> object:
    """What is easily lost on the way: the last moment, all bytes, a number of 63 bits."""
    if column.foreign_keys or (column.primary_key and column.type.python_type is int):
        return 1
    match column.type:
        case Enum(enums=[*_, last]):
            return column.type.python_type(last)
        case String(length=length):
            return ODD[:length]
        case UtcDateTime():
            return LATE
        case Json():
            return {"b": [1, None, 0.1, "\0"], "a": ODD}
        case _:
            return ODD_VALUES[column.type.python_type]


ODD_VALUES = {
    int: 2**62,
    float: 0.1 + 0.2,
    bool: True,
    bytes: bytes(range(256)),
    time: time(23, 59, 59, 999_999),
}


async def rows_of(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but of what is cached."""
    async with database.read() as session:
        return {
            table.name: sorted(map(tuple, await session.execute(select(table))), key=repr)
            for table in every_table().sorted_tables
            if table.name != "cache"
        }


def backups_of(database: Database, home: Path) -> Backups:
    scope = Scope(home=home, owner=1)
    return Backups(database, lambda _: scope, home / "backups", retention=Retention())


async def saved(url: str, home: Path) -> Backups:
    """A backup of the home, made with a connection that is closed by now."""
    (home / "notes").mkdir(parents=True, exist_ok=True)
    (home / "notes/tea.md").write_text("Tea")
    async with Database.open(url) as database:
        backups = backups_of(database, home)
        made = await backups.make()
    assert made.status is BackupStatus.SUCCESS
    assert (made.files, made.users_backed_up, made.users_failed) == (2, 2, 0)
    return backups


async def test_every_row_comes_back_as_it_was(url: str, tmp_path: Path) -> None:
    backups = await saved(url, tmp_path / "home")
    async with Database.open(url) as database:
        before = await rows_of(database)
        async with database.write() as session:
            await session.execute(text("UPDATE users SET name = 'overwritten'"))
            await session.execute(text("DELETE FROM outbox"))

    assert (await backups.verify())[1].problems == ()
    restored = await backups.restore("latest", tmp_path / "home", may_move_aside=True, server=url)

    async with Database.open(url) as database:
        assert await rows_of(database) == before
        new = await Users(database).add(name="Eve", address="eve@example.com")
    assert new.id == max(row[0] for row in before["users"]) + 1
    assert restored.aside is not None
    async with Database.open(restored.aside / "steward.db") as aside:
        assert {each.name for each in await Users(aside).active()} == {"overwritten"}
    assert not (tmp_path / "home/steward.db").exists()


async def test_it_moves_between_a_server_and_a_file(
    url: str, postgres: Server, tmp_path: Path
) -> None:
    backups = await saved(url, tmp_path / "home")
    async with Database.open(url) as database:
        before = await rows_of(database)

    await backups.restore("latest", tmp_path / "file", may_move_aside=False)
    async with Database.open(tmp_path / "file/steward.db") as database:
        assert await rows_of(database) == before
        again = backups_of(database, tmp_path / "file")
        await again.make()
    async with postgres.empty() as empty:
        restored = await again.restore(
            "latest", tmp_path / "other", may_move_aside=False, server=empty
        )
        async with Database.open(empty) as database:
            assert await rows_of(database) == before

    assert restored.aside is None


async def test_a_deleted_users_number_is_no_others_wherever_the_rows_go(
    url: str, postgres: Server, tmp_path: Path
) -> None:
    async def come_and_go(database: Database) -> int:
        user = await Users(database).add(name="Eve", address="eve@example.com")
        await Users(database).delete(user.id)
        return user.id

    numbers = list[int]()
    async with Database.open(url) as database:
        numbers.append(await come_and_go(database))
    on_server = await saved(url, tmp_path / "home")

    await on_server.restore("latest", tmp_path / "file", may_move_aside=False)
    async with Database.open(tmp_path / "file/steward.db") as database:
        numbers.append(await come_and_go(database))
        in_file = backups_of(database, tmp_path / "file")
        await in_file.make()
    async with postgres.empty() as empty:
        await in_file.restore("latest", tmp_path / "other", may_move_aside=False, server=empty)
        async with Database.open(empty) as database:
            numbers.append(await come_and_go(database))

    assert numbers == [3, 4, 5]


async def test_it_is_of_one_moment_while_others_write(url: str, tmp_path: Path) -> None:
    async def write_on(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with Database.open(url) as other:
            for number in range(10**6):
                async with other.write() as session:  # a user and a sample, always as many
                    await session.execute(insert(UserRow).values(user(number)))
                    await session.execute(insert(SightingRow).values(sighting(number)))
                if number == 5:
                    task_status.started()

    async with Database.open(url) as database, anyio.create_task_group() as group:
        await group.start(write_on)
        await backups_of(database, tmp_path / "home").make()
        group.cancel_scope.cancel()

    with tarfile.open(Shelf(tmp_path / "home/backups").get("latest").path) as tar:
        member = tar.extractfile("steward.db")
        assert member is not None
        (tmp_path / "steward.db").write_bytes(member.read())
    with closing(sqlite3.connect(tmp_path / "steward.db")) as file:
        (users,) = file.execute("SELECT count(*) FROM users WHERE name = 'x'").fetchone()
        (seen,) = file.execute("SELECT count(*) FROM worker_sightings WHERE host = 'h'").fetchone()
    assert users == seen > 5


def user(number: int) -> dict[str, Any]:
    return {
        "name": "x",
        "address": f"{number}@example.com",
        "timezone": "UTC",
        "wants_mail": False,
        "active": False,
        "created_at": LATE,
    }


def sighting(number: int) -> dict[str, Any]:
    return {
        "worker": f"w{number}",
        "host": "h",
        "pid": number,
        "started_at": LATE,
        "seen_at": LATE,
        "cpu_percent": 0.0,
        "memory_bytes": 0,
        "slots": 1,
    }


async def test_one_that_others_use_is_not_replaced(url: str, tmp_path: Path) -> None:
    backups = await saved(url, tmp_path / "home")
    async with Database.open(url) as database:
        before = await rows_of(database)

        with pytest.raises(DatabaseInUse, match="stop Steward on every machine"):
            await backups.restore("latest", tmp_path / "home", may_move_aside=True, server=url)

        assert await rows_of(database) == before
    assert (tmp_path / "home/notes/tea.md").exists()
    assert {each.name for each in (tmp_path / "home").iterdir()} == {"notes", "backups"}


async def test_rows_are_only_replaced_when_that_is_said(url: str, tmp_path: Path) -> None:
    backups = await saved(url, tmp_path / "home")
    async with Database.open(url) as database:
        before = await rows_of(database)

    with pytest.raises(TargetInUse, match="the database holds rows already: say --yes"):
        await backups.restore("latest", tmp_path / "other", may_move_aside=False, server=url)

    async with Database.open(url) as database:
        assert await rows_of(database) == before


async def test_rows_that_came_since_somebody_looked_are_not_replaced(
    url: str, tmp_path: Path
) -> None:
    async with Database.open(tmp_path / "file.db") as file:
        await file.migrate()
    async with Database.open(url) as database:
        before = await rows_of(database)

    with pytest.raises(HoldsRows, match="holds rows already"):
        await replace_rows(url, tmp_path / "file.db", held=tmp_path / "held.db", keep=None)

    async with Database.open(url) as database:
        assert await rows_of(database) == before


async def test_a_row_that_the_server_refuses_leaves_all_there(url: str, tmp_path: Path) -> None:
    backups = await saved(url, tmp_path / "home")
    async with Database.open(url) as database:
        before = await rows_of(database)
    await backups.restore("latest", tmp_path / "file", may_move_aside=False)
    with closing(sqlite3.connect(tmp_path / "file/steward.db")) as file, file:
        file.execute("UPDATE worker_sightings SET pid = 'a lot'")
    async with Database.open(tmp_path / "file/steward.db") as database:
        odd = backups_of(database, tmp_path / "file")
        await odd.make()

    with pytest.raises(NotRestored, match=r"did not take the rows: .*lies in") as caught:
        await odd.restore("latest", tmp_path / "home", may_move_aside=True, server=url)

    (aside,) = (tmp_path / "home").glob("before-restore-*")
    assert str(aside) in str(caught.value)
    assert "\n" not in str(caught.value)
    async with Database.open(url) as database, Database.open(aside / "steward.db") as held:
        assert await rows_of(database) == await rows_of(held) == before


@pytest.mark.case(64)
@pytest.mark.tier("T2")
@pytest.mark.parametrize(
    ("words", "copied"),
    [
        ("now", "backups/*/steward.db*"),
        ("restore latest --yes", ".restoring-*/held.db*"),  # the server's rows, before they go
        ("restore latest --yes", "before-restore-*/steward.db"),  # and once the new ones come
    ],
)
async def test_one_that_is_killed_has_changed_nothing(
    url: str, tmp_path: Path, words: str, copied: str
) -> None:
    home = tmp_path / "home"
    async with Database.open(url) as database, database.write() as session:
        for start in range(0, MANY, 1_000):
            await session.execute(
                insert(SightingRow), [sighting(start + each) for each in range(1_000)]
            )
    backups = await saved(url, home)
    async with Database.open(url) as database:
        before = await rows_of(database)

    await run_sync(kill_in_the_middle, home, url, words, copied)

    assert len(await backups.list()) == 1
    assert (await backups.verify())[1].problems == ()
    async with Database.open(url) as database:
        assert await rows_of(database) == before
        assert (await backups_of(database, home).make()).status is BackupStatus.SUCCESS


def kill_in_the_middle(home: Path, url: str, words: str, copied: str) -> None:
    """Begin, and be killed once a good part of the rows is copied."""
    running = subprocess.Popen(
        [sys.executable, "-m", "app", "backup", *words.split()],
        env=Command(home, {}).environment(STEWARD_DATABASE__URL=url),
    )
    while not any(each.stat().st_size > 10**6 for each in home.glob(copied)):
        with suppress(subprocess.TimeoutExpired):
            running.wait(timeout=0.005)
            raise AssertionError("it was too quick to be killed")
    running.send_signal(signal.SIGKILL)
    assert running.wait(timeout=20) == -signal.SIGKILL
