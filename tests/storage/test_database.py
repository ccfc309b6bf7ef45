"""Many readers, one writer at a time, and no update lost."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from sqlalchemy import MetaData, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.cli.failures import explain
from app.storage import sqlite
from app.storage.base import Base
from app.storage.database import Database
from app.storage.errors import DatabaseBusy, UnusableDatabase
from tests.storage.databases import again

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Example(DeclarativeBase):
    """A base of its own, so that these tables stay out of the application's schema."""

    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map: ClassVar[dict[Any, Any]] = Base.type_annotation_map


class CounterRow(Example):
    __tablename__ = "counters"

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    colour: Mapped[Colour] = mapped_column(default=Colour.RED)
    moment: Mapped[datetime | None]
    config: Mapped[dict[str, Any] | None]


@pytest.fixture
async def counters(database: Database) -> Database:
    async with database.write() as session:
        connection = await session.connection()
        await connection.run_sync(Example.metadata.create_all)
        session.add(CounterRow(id=1))
    return database


async def count_one(database: Database) -> None:
    async with database.write() as session:
        row = await session.get_one(CounterRow, 1)
        row.count += 1


async def count_of(database: Database) -> int:
    async with database.read() as session:
        return (await session.get_one(CounterRow, 1)).count


async def test_eight_writers_lose_no_update(counters: Database) -> None:
    async def write_often() -> None:
        for _ in range(25):
            await count_one(counters)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(write_often)

    assert await count_of(counters) == 200


async def test_writers_with_connections_of_their_own_lose_no_update(counters: Database) -> None:
    """As in several processes: only the database's lock stands between them."""

    async def write_often() -> None:
        async with again(counters) as database:
            for _ in range(25):
                await count_one(database)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(write_often)

    assert await count_of(counters) == 100


async def test_a_write_that_fails_leaves_nothing(counters: Database) -> None:
    async def add_and_fail() -> None:
        async with counters.write() as session:
            session.add(CounterRow(id=2))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()

    async with counters.read() as session:
        assert await session.get(CounterRow, 2) is None


async def test_a_write_that_is_cancelled_leaves_nothing_and_holds_nobody_up(
    counters: Database,
) -> None:
    with anyio.CancelScope() as scope:
        async with counters.write() as session:
            session.add(CounterRow(id=2))
            await session.flush()
            scope.cancel()
            await anyio.sleep_forever()

    with anyio.fail_after(1):
        await count_one(counters)
    async with counters.read() as session:
        assert await session.get(CounterRow, 2) is None


async def test_writers_cancelled_at_any_moment_hold_nobody_up(counters: Database) -> None:
    """Native cancellation, as of a job at its timeout, at every step of a write."""
    for patience in range(40):
        task = asyncio.ensure_future(count_one(counters))
        for _ in range(patience):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    with anyio.fail_after(1):
        before = await count_of(counters)
        await count_one(counters)
    assert await count_of(counters) == before + 1


async def test_a_reader_sees_one_moment(counters: Database) -> None:
    async with counters.read() as session:
        first = await session.scalar(select(CounterRow.count))
        await count_one(counters)
        second = await session.scalar(select(CounterRow.count))

    assert (first, second) == (0, 0)
    assert await count_of(counters) == 1


async def test_more_readers_than_connections_wait_their_turn(counters: Database) -> None:
    seen: list[int] = []

    async def look() -> None:
        seen.append(await count_of(counters))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(look)

    assert seen == [0] * 50


async def test_a_reader_can_not_write(counters: Database) -> None:
    with pytest.raises(OperationalError, match=r"read-?only"):
        async with counters.read() as session:
            await session.execute(update(CounterRow).values(count=7))


async def test_a_write_inside_a_write_is_an_error_at_once(counters: Database) -> None:
    async with counters.write():
        with anyio.fail_after(1), pytest.raises(RuntimeError, match="use the session you have"):
            async with counters.write():
                pass

    await count_one(counters)


async def test_a_moment_comes_back_in_utc(counters: Database) -> None:
    in_delhi = datetime(2026, 3, 1, 12, 30, 15, 123456, timezone(timedelta(hours=5, minutes=30)))

    async with counters.write() as session:
        session.add(CounterRow(id=2, moment=in_delhi))
    async with counters.read() as session:
        moment = (await session.get_one(CounterRow, 2)).moment

    assert moment == in_delhi
    assert moment
    assert moment.tzinfo is UTC


async def test_moments_are_compared_as_moments(counters: Database) -> None:
    async with counters.write() as session:
        for id in range(2, 6):
            session.add(CounterRow(id=id, moment=NOON + timedelta(microseconds=id - 3)))

    before_noon_in_tokyo = CounterRow.moment < NOON.astimezone(timezone(timedelta(hours=9)))
    async with counters.read() as session:
        found = await session.scalars(select(CounterRow.id).where(before_noon_in_tokyo))
        assert found.all() == [2]


async def test_a_moment_without_a_zone_is_refused(counters: Database) -> None:
    with pytest.raises(StatementError, match="2026-03-01T12:00:00 has no time zone"):
        async with counters.write() as session:
            session.add(CounterRow(id=2, moment=NOON.replace(tzinfo=None)))


async def test_a_status_that_does_not_exist_is_refused_by_the_database(counters: Database) -> None:
    with pytest.raises(IntegrityError, match="ck_counters_colour"):
        async with counters.write() as session:
            await session.execute(text("UPDATE counters SET colour = 'puce'"))


async def test_json_comes_back_and_none_is_null(counters: Database) -> None:
    config = {"days": [1, 2], "note": "tschüß \N{SNOWMAN}", "deep": {"none": None}}

    async with counters.write() as session:
        session.add_all([CounterRow(id=2, config=config), CounterRow(id=3, config=None)])

    async with counters.read() as session:
        assert (await session.get_one(CounterRow, 2)).config == config
        nulls = await session.scalars(select(CounterRow.id).where(CounterRow.config.is_(None)))
        assert nulls.all() == [1, 3]


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "steward.db"

    async with Database.open(path) as database:
        await database.migrate()
        files = list(path.parent.iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_path_with_odd_characters_is_only_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a b?mode=memory#50%25 é" / "steward.db"

    async with Database.open(path) as database:
        await database.migrate()

    assert path.stat().st_size > 0


async def test_a_lock_that_nobody_lets_go_of_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_EVERY", ("PRAGMA busy_timeout=50",))
    path = tmp_path / "steward.db"
    async with Database.open(path) as database:
        with closing(sqlite3.connect(path, isolation_level=None)) as blocked:
            blocked.execute("BEGIN IMMEDIATE")

            with pytest.raises(DatabaseBusy) as busy:
                async with database.write() as session:
                    await session.execute(text("CREATE TABLE page (word TEXT)"))

        async with database.write() as session:
            await session.execute(text("CREATE TABLE page (word TEXT)"))

    said = explain(busy.value)
    assert said.startswith(f"{path} is locked: another process is in the middle of writing")
    assert "\n" not in said


async def test_closing_leaves_one_file(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "steward.db") as database:
        await database.migrate()

    assert names_in(tmp_path) == ["steward.db"]


def names_in(folder: Path) -> list[str]:
    """What lies there."""
    return [file.name for file in folder.iterdir()]


async def test_what_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "steward.db"
    path.write_text("Dear diary, " * 100)

    with pytest.raises(UnusableDatabase, match=r"steward\.db .*: file is not a database$"):
        async with Database.open(path):
            pass


async def test_a_folder_in_the_files_place_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "steward.db").mkdir()

    with pytest.raises(UnusableDatabase, match=r"unable to open database file$"):
        async with Database.open(tmp_path / "steward.db"):
            pass


async def test_a_file_in_the_folders_place_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    with pytest.raises(UnusableDatabase, match=r"File exists|Not a directory"):
        async with Database.open(tmp_path / "home" / "steward.db"):
            pass


async def test_a_ping_takes_some_time(database: Database) -> None:
    assert timedelta(0) < await database.ping() < timedelta(seconds=5)
