"""The tables' history, as numbered alembic revisions, and what brings a file up to date.

    server.py                         ... and what does it for a PostgreSQL
    versions/NNNN_what_changes.py     one step; the highest number is what this program knows

To change a table: change its row, then `python -m app.storage.migrations "Give tasks a colour"`
writes the next step; read it, and tidy it. A test fails as long as rows and steps differ.

A file that is up to date is only looked at: alembic is not even imported. One that is not is
brought there within a single transaction that holds the write lock from its start. A process that
comes at the same time waits, and then finds nothing to do; one that dies leaves the file as it was.
"""

import importlib
import pkgutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, MetaData, NullPool, create_engine, event
from sqlalchemy.exc import DatabaseError

from app.storage.base import Base
from app.storage.errors import NewerDatabase, UnusableDatabase

FOLDER = Path(__file__).parent
_PATIENCE = 60.0  # s: how long another process may take to migrate


def upgrade(path: Path) -> None:
    """Bring the tables of this file up to date; blocking, safe to repeat and to do at once.

    Raises `NewerDatabase`, changing nothing, when a newer Steward has written it.
    """
    try:
        if is_behind(path):
            _climb(path)
    except (sqlite3.DatabaseError, DatabaseError) as error:
        raise UnusableDatabase(path, getattr(error, "orig", error)) from error


def is_behind(path: Path) -> bool:
    """Whether steps are missing in this file; raises `NewerDatabase` when it has too many."""
    found = revision_of(path)
    refuse_newer(found, path)
    return found != revisions()[-1]


def refuse_newer(found: str, place: object) -> None:
    """Raises `NewerDatabase` for a step that this program does not know."""
    known = revisions()
    if found and found not in known:
        raise NewerDatabase(place, found=found, newest=known[-1])


def revisions() -> list[str]:
    """The steps this program knows, oldest first, by the names of their files."""
    return sorted(path.name.partition("_")[0] for path in FOLDER.glob("versions/[0-9]*.py"))


def revision_of(path: Path) -> str:
    """The last step this file has taken; empty when it has taken none."""
    with closing(sqlite3.connect(path, timeout=_PATIENCE)) as connection:
        if not connection.execute(_IS_VERSIONED).fetchone():
            return ""
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


_IS_VERSIONED = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"


def every_table() -> MetaData:
    """All tables; every file of the room is imported for it, so that none is forgotten."""
    room = FOLDER.parent
    for module in pkgutil.iter_modules([str(room)]):
        importlib.import_module(f"app.storage.{module.name}")
    return Base.metadata


def alembic_config(connection: Connection) -> Any:
    """What alembic needs to know: where the steps are, and the connection to take them on."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _climb(path: Path) -> None:
    from alembic import command

    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"isolation_level": None, "timeout": _PATIENCE},
        poolclass=NullPool,
    )
    event.listen(engine, "begin", _begin)
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
        _refuse_orphans(path, connection)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _refuse_orphans(path: Path, connection: Connection) -> None:
    """Foreign keys are off while tables are rebuilt, so they are checked at the end."""
    if orphan := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise UnusableDatabase(path, f"a row of {orphan[0]} points to a missing {orphan[2]}")
