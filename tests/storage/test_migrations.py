"""Every file gets where the rows are: once, whole, by whoever comes first, and never backwards."""

import shutil
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect

import app
from app.storage.database import Database
from app.storage.errors import NewerDatabase, UnusableDatabase
from app.storage.migrations import (
    alembic_config,
    every_table,
    is_behind,
    revision_of,
    revisions,
    upgrade,
)
from tests.storage.databases import on_sqlite

PACKAGE = Path(app.__file__).parent
MIGRATE = """
import sys, anyio
from pathlib import Path
from app.storage.database import Database

async def migrate() -> None:
    async with Database.open(Path(sys.argv[1])) as database:
        await database.migrate()

anyio.run(migrate)
print("alembic" in sys.modules)
"""
WRITE_STEP = """
import runpy

runpy.run_module("app.storage.migrations", run_name="__main__")
"""


@pytest.fixture
async def at_rows(tmp_path: Path) -> AsyncGenerator[Engine]:
    """A database made from the rows, without any step."""
    engine = create_engine(f"sqlite:///{tmp_path}/rows.db")
    every_table().create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
async def at_steps(database: Database) -> AsyncGenerator[Engine]:
    """A database made by the steps."""
    engine = create_engine(f"sqlite:///{database.path}")
    yield engine
    engine.dispose()


async def run(code: str, *arguments: str, cwd: Path = PACKAGE.parent) -> str:
    """Run Python in a process of its own, and return what it printed."""
    with anyio.fail_after(50):
        done = await anyio.run_process([sys.executable, "-c", code, *arguments], cwd=cwd)
    return done.stdout.decode().strip()


@on_sqlite
async def test_steps_lead_to_the_rows(at_steps: Engine) -> None:
    with at_steps.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, every_table()) == []


@on_sqlite
async def test_steps_make_every_constraint_of_the_rows(at_steps: Engine, at_rows: Engine) -> None:
    assert anatomy(at_steps) == anatomy(at_rows)


def anatomy(engine: Engine) -> dict[str, Any]:
    """All that SQLite can tell of the tables, in an order that doesn't matter."""
    known = inspect(engine)
    return {
        table: {
            "columns": [str(sorted(each.items(), key=str)) for each in known.get_columns(table)],
            "primary key": known.get_pk_constraint(table),
            "foreign keys": sorted(map(str, known.get_foreign_keys(table))),
            "indexes": sorted(map(str, known.get_indexes(table))),
            "unique": sorted(map(str, known.get_unique_constraints(table))),
            "checks": sorted(map(str, known.get_check_constraints(table))),
        }
        for table in known.get_table_names()
        if table != "alembic_version"
    }


@on_sqlite
async def test_the_highest_number_is_the_only_head(at_steps: Engine) -> None:
    with at_steps.connect() as connection:
        steps = ScriptDirectory.from_config(alembic_config(connection))

    assert steps.get_heads() == [revisions()[-1]]
    assert sorted(each.revision for each in steps.walk_revisions()) == revisions()


@on_sqlite
async def test_a_migrated_file_is_migrated_again_at_once(database: Database) -> None:
    async def once() -> float:
        started = perf_counter()
        await database.migrate()
        return perf_counter() - started

    assert min([await once() for _ in range(5)]) < 0.1


async def test_alembic_is_imported_only_when_there_is_something_to_do(tmp_path: Path) -> None:
    path = str(tmp_path / "steward.db")

    assert await run(MIGRATE, path) == "True"
    assert await run(MIGRATE, path) == "False"


async def test_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "steward.db"

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(run, MIGRATE, str(path))

    assert not is_behind(path)


async def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "steward.db"
    execute(path, "CREATE TABLE history_gaps (nonsense)")

    with pytest.raises(UnusableDatabase, match="table history_gaps already exists"):
        upgrade(path)

    assert tables_of(path) == ["history_gaps"]
    assert revision_of(path) == ""


@on_sqlite
async def test_a_newer_database_is_left_alone(database: Database) -> None:
    execute(database.path, "UPDATE alembic_version SET version_num = '9999'")
    before = tables_of(database.path)

    with pytest.raises(NewerDatabase, match=r"newer Steward \(schema 9999; .*Update Steward"):
        await database.migrate()

    assert tables_of(database.path) == before
    assert revision_of(database.path) == "9999"


@on_sqlite
async def test_a_step_is_written_from_the_rows_and_taken_with_the_data(
    database: Database, tmp_path: Path
) -> None:
    """The whole of changing a table, on a copy of the package."""
    execute(database.path, "INSERT INTO history_gaps VALUES (1, 1, 5, NULL, '2026-01-01')")
    shutil.copytree(PACKAGE, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    rows = tmp_path / "app" / "storage" / "position.py"
    rows.write_text(rows.read_text().replace(*NEW_COLUMN))

    await run(WRITE_STEP, "Explain gaps", cwd=tmp_path)
    await run(MIGRATE, str(database.path), cwd=tmp_path)

    number = f"{len(revisions()) + 1:04}"
    assert (tmp_path / f"app/storage/migrations/versions/{number}_explain_gaps.py").exists()
    assert revision_of(database.path) == number
    assert execute(database.path, "SELECT missed, reason FROM history_gaps") == [(5, None)]
    with pytest.raises(NewerDatabase):
        await database.migrate()


NEW_COLUMN = (
    "    until: Mapped[datetime]\n\n    def as_gap",
    "    until: Mapped[datetime]\n    reason: Mapped[str | None]\n\n    def as_gap",
)


def execute(path: Path, statement: str) -> list[Any]:
    """Change or ask the file behind everybody's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def tables_of(path: Path) -> list[str]:
    """The names of its tables."""
    rows = execute(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in rows]
