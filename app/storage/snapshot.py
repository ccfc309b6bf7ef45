"""A copy of the database as it is at one moment, made while everybody goes on.

SQLite's own backup reads one snapshot; nobody who writes has to wait for it, nor it for them.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from app.storage.database import Database
from app.storage.errors import StorageError, UnusableDatabase
from app.storage.migrations import revision_of

_PATIENCE = 30.0  # s


class NoSnapshot(StorageError):
    """The database is on a server, which has its own way to be saved."""


def file_of(database: Database) -> Path:
    """The file to save; raises `NoSnapshot` for a database that is none."""
    if isinstance(database.where, Path):
        return database.where
    raise NoSnapshot(f"the database is {database.place}: save it there, as with pg_dump")


def save_file(path: Path, target: Path) -> str:
    """Copy the database file to a new one; blocking. Returns the last step its tables have taken.

    Raises `UnusableDatabase` when what was copied is damaged.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with (
            closing(sqlite3.connect(path, timeout=_PATIENCE)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        check_file(target)
        return revision_of(target)
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
