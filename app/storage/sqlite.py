"""SQLite: one file on this machine, read by many at once and written by one at a time.

A plain BEGIN takes the write lock only when it first writes; two that have read the same row then
both write what they computed from it. With BEGIN IMMEDIATE the second waits before it reads, in
SQLite, up to `_PATIENCE`; then it is told `DatabaseBusy`.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import anyio.to_thread
from sqlalchemy import URL, Connection, ExceptionContext, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app.storage.errors import DatabaseBusy, UnusableDatabase
from app.storage.migrations import upgrade

_PATIENCE = timedelta(seconds=10)  # waiting for another process's write
_BRIEFLY = 0.01  # s
_READERS = 8  # connections, each with its thread; further readers wait their turn

_EVERY = (
    f"PRAGMA busy_timeout={_PATIENCE // timedelta(milliseconds=1)}",
    # with WAL: a power cut can cost the last commits, never the file, nor what `must_last`
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
)
_READER = (*_EVERY, "PRAGMA query_only=ON")


class SqliteFile:
    """A file of SQLite's."""

    side_by_side = False

    def __init__(self, path: Path) -> None:
        self.where = path

    def __str__(self) -> str:
        return str(self.where)

    async def prepare(self) -> None:
        """Make the file if it is not there; raises `UnusableDatabase` for what is none."""
        try:
            await anyio.to_thread.run_sync(_prepare, self.where)
        except OSError as error:
            raise UnusableDatabase(self, error.strerror or error) from error
        except sqlite3.DatabaseError as error:
            raise UnusableDatabase(self, error) from error

    def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """A connection that writes, and some that read."""
        return (
            _engine(self.where, begin="BEGIN IMMEDIATE", pragmas=_EVERY, connections=1),
            _engine(self.where, begin="BEGIN", pragmas=_READER, connections=_READERS),
        )

    async def take_turn(self, session: AsyncSession, *, alone: bool) -> None:
        """BEGIN IMMEDIATE has seen to it."""

    async def make_last(self) -> None:
        """Sync the log of what was committed: less than a sync for every commit, as FULL has it."""
        await anyio.to_thread.run_sync(_sync, self.where)

    async def migrate(self, writer: AsyncEngine) -> None:
        """Take the missing steps, on a connection of its own."""
        del writer
        await anyio.to_thread.run_sync(upgrade, self.where)


def _prepare(path: Path) -> None:
    """Make the file if it is not there, and look whether it is a database, in its own thread.

    A driver's connection that fails to open reports to the loop, perhaps when that is closed.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        _use_wal(connection)


def _sync(path: Path) -> None:
    """Have the write-ahead log on the disk; a checkpoint that was quicker has synced all of it."""
    for each in (path.with_name(f"{path.name}-wal"), path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and the writer work side by side from here on: the file remembers it.

    Of two processes that switch at once, SQLite tells one that it is busy, without waiting.
    """
    give_up = monotonic() + _PATIENCE.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or monotonic() > give_up:
                raise
            sleep(_BRIEFLY)
        else:
            return


def _engine(path: Path, *, begin: str, pragmas: tuple[str, ...], connections: int) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"isolation_level": None},  # the driver begins nothing on its own
        hide_parameters=True,  # an error quotes its statement, never the mail in it
        pool_size=connections,
        max_overflow=0,
    )
    event.listen(engine.sync_engine, "connect", _set_up(pragmas))
    event.listen(engine.sync_engine, "begin", _begin_with(begin))
    event.listen(engine.sync_engine, "handle_error", _name_the_lock(path))
    return engine


def _begin_with(statement: str) -> Callable[[Connection], None]:
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return on_begin


def _name_the_lock(path: Path) -> Callable[[ExceptionContext], None]:
    def on_error(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
            raise DatabaseBusy(path, error) from error

    return on_error


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _set_up(pragmas: tuple[str, ...]) -> Callable[[Any, Any], None]:
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    return on_connect
