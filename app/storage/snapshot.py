"""A copy of the database as it is at one moment, made while everybody goes on.

It is a file of SQLite's, wherever the database is: one backup can be put back on either. SQLite's
own backup reads one snapshot; nobody who writes has to wait for it, nor it for them. The rows of a
server are copied, in one snapshot as well: see `exchange`.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from anyio.to_thread import run_sync
from sqlalchemy import text

from app.storage.database import Database
from app.storage.errors import UnusableDatabase
from app.storage.exchange import save_server
from app.storage.migrations import revision_of

_PATIENCE = 30.0  # s


async def size_of(database: Database) -> int:
    """How many bytes it takes now; a copy may take fewer."""
    if isinstance(database.where, Path):
        return (await run_sync(database.where.stat)).st_size
    async with database.read() as session:
        return int(await session.scalar(text("SELECT pg_database_size(current_database())")) or 0)


async def save(database: Database, target: Path) -> str:
    """Copy it to a new file. Returns the last step its tables have taken.

    Raises `UnusableDatabase` when what was copied is damaged.
    """
    if isinstance(database.where, Path):
        return await run_sync(save_file, database.where, target)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    await save_server(database, target)
    return await run_sync(_finished, target)


def save_file(path: Path, target: Path) -> str:
    """Copy the database file to a new one; blocking."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with (
            closing(sqlite3.connect(path, timeout=_PATIENCE)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
        return _finished(target)
    except sqlite3.DatabaseError as error:
        raise UnusableDatabase(path, error) from error


def check_file(path: Path) -> None:
    """Have SQLite look through every page; blocking. Raises `UnusableDatabase`."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            (found,) = file.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise UnusableDatabase(path, error) from error
    if found != "ok":
        raise UnusableDatabase(path, found)


def _finished(target: Path) -> str:
    """One file, without a log beside it, that was looked through."""
    with closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA synchronous=OFF")  # whoever keeps it has it synced
        copy.execute("PRAGMA journal_mode=DELETE")
    check_file(target)
    return revision_of(target)
