"""The database: one SQLite file, read by many at once and written by one at a time.

    async with Database.open(home / "steward.db") as db:
        await db.migrate()
        async with db.read() as session: ...     # one snapshot; writing here is refused
        async with db.write() as session: ...    # all of it, or nothing

`write()` begins with BEGIN IMMEDIATE. A plain BEGIN takes the write lock only when it first writes;
two that have read the same row then both write what they computed from it, and one update is lost
without an error. With IMMEDIATE the second waits before it reads. Writers of this process queue
here, in order; those of other processes wait in SQLite, up to `_PATIENCE`.

Keep transactions short, and none open across a network call: a writer holds up all others.
"""

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import URL, Connection, event, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.storage.errors import UnusableDatabase
from app.storage.migrations import upgrade

_PATIENCE = timedelta(seconds=10)  # waiting for another process's write
_BRIEFLY = 0.01  # s
_READERS = 8  # connections, each with its thread; further readers wait their turn

_EVERY = (
    f"PRAGMA busy_timeout={_PATIENCE // timedelta(milliseconds=1)}",
    "PRAGMA synchronous=NORMAL",  # with WAL: a power cut can cost the last commits, never the file
    "PRAGMA foreign_keys=ON",
)
_READER = (*_EVERY, "PRAGMA query_only=ON")


class Database:
    """Gives sessions; each belongs to one task, for one short transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = _engine(path, begin="BEGIN IMMEDIATE", pragmas=_EVERY, connections=1)
        self._reader = _engine(path, begin="BEGIN", pragmas=_READER, connections=_READERS)
        self._writes = async_sessionmaker(self._writer, expire_on_commit=False)
        self._reads = async_sessionmaker(self._reader, expire_on_commit=False)
        self._turn = anyio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncGenerator["Database"]:
        """Open the file, made private to its owner if it is new; close every connection at the end.

        Raises `UnusableDatabase` when the path can't hold one or holds something else.
        """
        try:
            await anyio.to_thread.run_sync(_prepare, path)
        except OSError as error:
            raise UnusableDatabase(path, error.strerror or error) from error
        except sqlite3.DatabaseError as error:
            raise UnusableDatabase(path, error) from error
        database = cls(path)
        try:
            yield database
        finally:
            with anyio.CancelScope(shield=True):
                await database._close()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """A session on one snapshot of the data; a write in it is refused by the database."""
        async with self._reads() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        """A session that commits at the end, or rolls back if the block raises.

        A write inside a write would wait for itself: that is a `RuntimeError`.
        """
        await self._take_turn()
        try:
            async with self._writes() as session, session.begin():
                yield session
        finally:
            self._turn.release()

    async def migrate(self) -> None:
        """Bring the tables up to date; safe when several processes start at once.

        Raises `NewerDatabase`, changing nothing, if a newer Steward has written the file.
        """
        await anyio.to_thread.run_sync(upgrade, self.path)

    async def ping(self) -> timedelta:
        """How long the simplest question takes."""
        started = perf_counter()
        async with self.read() as session:
            await session.execute(text("SELECT 1"))
        return timedelta(seconds=perf_counter() - started)

    async def _take_turn(self) -> None:
        try:
            await self._turn.acquire()
        except RuntimeError as error:
            raise RuntimeError("db.write() inside db.write(): use the session you have") from error

    async def _close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()


def _prepare(path: Path) -> None:
    """Make the file if it is not there, and look whether it is a database, in its own thread.

    A driver's connection that fails to open reports to the loop, perhaps when that is closed.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        _use_wal(connection)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and the writer work side by side from here on: the file remembers it.

    Of two processes that switch at once, SQLite tells one that it is busy, without waiting.
    """
    give_up = monotonic() + _PATIENCE.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > give_up:
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
    return engine


def _begin_with(statement: str) -> Callable[[Connection], None]:
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return on_begin


def _set_up(pragmas: tuple[str, ...]) -> Callable[[Any, Any], None]:
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    return on_connect
