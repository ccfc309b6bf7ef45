"""The optimizer: what the planner knows afterwards, what the disk gets back, what is remembered."""

import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage import sqlite_upkeep
from app.storage.database import Database
from app.storage.errors import UnusableDatabase, UpkeepTooLong
from app.storage.health import HealthChecks
from app.storage.optimizations import DatabaseOptimized, Optimizations
from app.storage.optimizer import Optimizer
from tests.eventually import eventually
from tests.postgres import Server
from tests.storage.databases import on_sqlite

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
async def database(migrated: Path, tmp_path: Path) -> AsyncGenerator[Database]:
    """A file of SQLite's; what PostgreSQL does is at the end."""
    path = tmp_path / "steward.db"
    shutil.copy(migrated, path)
    async with Database.open(path) as opened:
        yield opened


@pytest.fixture
def optimizer(database: Database) -> Optimizer:
    return Optimizer(database, now=lambda: NOW)


async def fill(database: Database, rows: int, size: int = 10) -> None:
    insert = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)"
        " INSERT INTO health_checks (checked_at, overall, report)"
        " SELECT '2026-11-01 00:00:00.000000', 'healthy', hex(randomblob(:size)) FROM n"
    )
    async with database.write() as session:
        await session.execute(insert, {"rows": rows, "size": size})


async def empty(database: Database) -> None:
    async with database.write() as session:
        await session.execute(text("DELETE FROM health_checks"))


def believed(path: Path) -> dict[str, int]:
    """How many rows the planner thinks each index has, asked of the file itself."""
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT idx, stat FROM sqlite_stat1 WHERE tbl = 'health_checks'")
        return {index: int(stat.split()[0]) for index, stat in rows}


@on_sqlite
async def test_the_planner_knows_the_tables_afterwards(
    optimizer: Optimizer, database: Database
) -> None:
    await fill(database, 500)

    done = await optimizer.optimize()

    assert believed(database.path) == {"ix_health_checks_checked_at": 500}
    assert done.before.statistics == {}
    assert done.after.statistics["health_checks.ix_health_checks_checked_at"].startswith("500 ")
    assert done.after.rows["health_checks"] == 500
    assert done.tables_optimized >= 1
    assert done.indexes_optimized >= 1
    assert (done.dialect, done.dry_run) == ("sqlite", False)


@on_sqlite
async def test_stale_statistics_are_renewed_and_fresh_ones_are_no_change(
    optimizer: Optimizer, database: Database
) -> None:
    await fill(database, 100)
    await optimizer.optimize()
    before = await optimizer.optimize(dry_run=True)
    await fill(database, 400)

    done = await optimizer.optimize()

    assert before.tables_optimized == 0
    assert believed(database.path) == {"ix_health_checks_checked_at": 500}
    assert done.before.rows["health_checks"] == 500
    changed = {
        name
        for name, stat in done.after.statistics.items()
        if done.before.statistics.get(name) != stat
    }
    assert "health_checks.ix_health_checks_checked_at" in changed
    assert done.indexes_optimized == len(changed)


@on_sqlite
async def test_unused_space_is_given_back_to_the_disk(
    optimizer: Optimizer, database: Database
) -> None:
    await fill(database, 3_000, size=1_000)
    await empty(database)
    await optimizer.optimize(dry_run=True)
    before = database.path.stat().st_size

    done = await optimizer.optimize()

    after = database.path.stat().st_size
    assert done.is_compacted
    assert done.before.unused > 5_000_000
    assert done.after.unused == 0
    assert before - after > 5_000_000 or done.freed_bytes > 5_000_000
    assert done.freed_bytes == done.before.size - done.after.size
    assert done.after.size == after


@on_sqlite
async def test_little_unused_space_is_left_for_what_comes(
    optimizer: Optimizer, database: Database
) -> None:
    await fill(database, 100, size=1_000)
    await empty(database)

    done = await optimizer.optimize()

    assert not done.is_compacted
    assert done.note == ""


@on_sqlite
async def test_without_room_on_the_disk_it_is_not_compacted_and_says_why(
    optimizer: Optimizer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database, 3_000, size=1_000)
    await empty(database)
    monkeypatch.setattr(sqlite_upkeep, "_ROOM", 10**12)

    done = await optimizer.optimize()

    assert not done.is_compacted
    assert "the disk has no" in done.note
    assert done.tables_optimized >= 1


@on_sqlite
async def test_a_dry_run_tells_and_changes_nothing(
    optimizer: Optimizer, database: Database
) -> None:
    await fill(database, 500)

    done = await optimizer.optimize(dry_run=True)

    assert (done.dry_run, done.tables_optimized, done.freed_bytes) == (True, 0, 0)
    assert done.before.rows["health_checks"] == 500
    assert await Optimizations(database).latest() == ()


@on_sqlite
async def test_what_was_done_is_remembered(optimizer: Optimizer, database: Database) -> None:
    await optimizer.optimize()
    done = await optimizer.optimize()

    latest, _ = await Optimizations(database).latest()

    assert (latest.began_at, latest.dialect) == (NOW, "sqlite")
    assert latest.result["after"]["rows"] == done.after.rows


@on_sqlite
async def test_others_read_and_write_meanwhile(optimizer: Optimizer, database: Database) -> None:
    await fill(database, 3_000, size=1_000)
    await empty(database)
    async with database.read() as reader:
        assert await reader.scalar(text("SELECT count(*) FROM health_checks")) == 0

        await optimizer.optimize()
        check = await HealthChecks(database).begin(NOW)

        assert check == 1
        assert await reader.scalar(text("SELECT count(*) FROM health_checks")) == 0


@on_sqlite
async def test_a_file_that_is_no_database_is_no_success(
    optimizer: Optimizer, database: Database
) -> None:
    database.path.write_bytes(b"no database at all" * 1_000)

    with pytest.raises(UnusableDatabase):
        await optimizer.optimize()


@on_sqlite
async def test_what_takes_longer_than_it_may_is_given_up_and_names_the_setting(
    database: Database,
) -> None:
    optimizer = Optimizer(database, within=timedelta(milliseconds=100))
    await fill(database, 10)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(UpkeepTooLong, match=r"longer than 0\.1 s: STEWARD_DATABASE__UPKEEP"):
            await optimizer.optimize()

    assert await Optimizations(database).latest() == ()


@asynccontextmanager
async def vacuum_waits(url: str) -> AsyncGenerator[AsyncSession]:
    """Nobody can vacuum `health_checks` until this session is rolled back."""
    async with Database.open(url) as other, other.write(in_turn=False) as session:
        await session.execute(text("LOCK TABLE health_checks IN SHARE UPDATE EXCLUSIVE MODE"))
        yield session


async def test_a_long_vacuum_is_not_cut_off_by_the_limit_of_other_statements(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.postgres._ANSWER_WITHIN", 1.0)
    waits_long = text(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'VACUUM%' AND"
        " wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '1.2 s'"
    )
    async with postgres.database() as url, Database.open(url) as database:
        done = list[DatabaseOptimized]()

        async def optimize() -> None:
            done.append(await Optimizer(database).optimize())

        async with anyio.create_task_group() as group:
            async with vacuum_waits(url) as session:
                group.start_soon(optimize)

                async def is_late() -> bool:
                    await session.execute(text("SELECT pg_stat_clear_snapshot()"))
                    return bool(await session.scalar(waits_long))

                await eventually(is_late)

        assert done[0].dialect == "postgresql"


async def test_a_vacuum_that_takes_longer_than_it_may_is_given_up(postgres: Server) -> None:
    async with postgres.database() as url, Database.open(url) as database, vacuum_waits(url):
        with pytest.raises(UpkeepTooLong):
            await Optimizer(database, within=timedelta(milliseconds=500)).optimize()

        assert await Optimizations(database).latest() == ()


async def test_postgresql_learns_what_its_tables_hold(postgres: Server) -> None:
    async with postgres.database() as url, Database.open(url) as database:
        checks, optimizer = HealthChecks(database), Optimizer(database, now=lambda: NOW)
        for _ in range(50):
            await checks.begin(NOW)

        dry = await optimizer.optimize(dry_run=True)
        done = await optimizer.optimize()

        async with database.read() as session:
            known = text("SELECT reltuples FROM pg_class WHERE relname = 'health_checks'")
            assert await session.scalar(known) == 50
        (past,) = await Optimizations(database).latest()
        assert (dry.tables_optimized, dry.dry_run) == (0, True)
        assert done.before.rows["health_checks"] == done.after.rows["health_checks"] == 50
        assert done.after.statistics["health_checks"] == "50"
        assert done.tables_optimized >= 1
        assert (done.dialect, past.dialect) == ("postgresql", "postgresql")
