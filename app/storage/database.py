"""The database: read by many at once, and written so that no update is lost.

    async with Database.open(home / "steward.db") as db:    # a Path is a file of SQLite's,
        await db.migrate()                                  # a str the URL of a PostgreSQL
        async with db.read() as session: ...     # one snapshot; writing here is refused
        async with db.write() as session: ...    # all of it, or nothing

Two that have read the same row and then both write what they computed from it lose one update,
without an error. So whoever writes takes a turn before it reads: in SQLite by BEGIN IMMEDIATE
(sqlite.py), in PostgreSQL by a lock that all processes share (postgres.py). Writers of this process
queue here, in order; those of others wait in the database, for some seconds.

`write(in_turn=False)` goes side by side with others like it, where the database can do that. It is
for what needs no turn: one statement that says in its WHERE what it relies on, or rows that were
read with `with_for_update()`.

Keep transactions short, and none open across a network call: a writer holds up all others.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Protocol

import anyio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.storage.sqlite import SqliteFile


class Place(Protocol):
    """Where a database is, and how it is spoken to; as a text it holds no secret."""

    @property
    def where(self) -> Path | str:
        """What it was made with."""
        ...

    @property
    def side_by_side(self) -> bool:
        """Whether writers that need no turn go beside each other."""
        ...

    async def prepare(self) -> None:
        """Look whether it can be used; raises `UnusableDatabase`."""
        ...

    def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """One whose transactions write, and one whose transactions read one snapshot."""
        ...

    async def take_turn(self, session: AsyncSession, *, alone: bool) -> None:
        """What a writer's transaction begins with: alone, or beside others that are not."""
        ...

    async def make_last(self) -> None:
        """Return once what was committed so far would survive a power cut."""
        ...

    async def migrate(self, writer: AsyncEngine) -> None:
        """Bring the tables up to date; safe when several processes start at once."""
        ...


_MUST_LAST = "must last"


def must_last(session: AsyncSession) -> None:
    """Have what this session writes on the disk before its `db.write()` ends."""
    session.info[_MUST_LAST] = True


class Database:
    """Gives sessions; each belongs to one task, for one short transaction."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._writer, self._reader = place.engines()
        self._writes = async_sessionmaker(self._writer, expire_on_commit=False)
        self._reads = async_sessionmaker(self._reader, expire_on_commit=False)
        self._turn = anyio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, where: Path | str) -> AsyncGenerator["Database"]:
        """Open a file, made private to its owner if it is new, or a PostgreSQL by its URL.

        Closes every connection at the end. Raises `UnusableDatabase` for what can't be used as one.
        """
        place = SqliteFile(where) if isinstance(where, Path) else _server(where)
        await place.prepare()
        database = cls(place)
        try:
            yield database
        finally:
            with anyio.CancelScope(shield=True):
                await database._close()

    @property
    def where(self) -> Path | str:
        """What it was opened with; a URL has its password in it."""
        return self.place.where

    @property
    def path(self) -> Path:
        """The file; raises `TypeError` when there is none."""
        if not isinstance(self.where, Path):
            raise TypeError(f"{self.place} is no file")
        return self.where

    @property
    def dialect(self) -> str:
        """Whose SQL it speaks: sqlite, postgresql."""
        return self._writer.dialect.name

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """A session on one snapshot of the data; a write in it is refused by the database."""
        async with self._reads() as session:
            yield session

    @asynccontextmanager
    async def write(self, *, in_turn: bool = True) -> AsyncGenerator[AsyncSession]:
        """A session that commits at the end, or rolls back if the block raises.

        A write inside a write would wait for itself: that is a `RuntimeError`.
        """
        self._refuse_nested()
        if self.place.side_by_side and not in_turn:
            async with self._transaction(alone=False) as session:
                yield session
        else:
            async with self._turn, self._transaction(alone=True) as session:
                yield session

    async def migrate(self) -> None:
        """Bring the tables up to date; safe when several processes start at once.

        Raises `NewerDatabase`, changing nothing, if a newer Steward has written it.
        """
        await self.place.migrate(self._writer)

    async def ping(self) -> timedelta:
        """How long the simplest question takes."""
        started = perf_counter()
        async with self.read() as session:
            await session.execute(text("SELECT 1"))
        return timedelta(seconds=perf_counter() - started)

    @asynccontextmanager
    async def _transaction(self, *, alone: bool) -> AsyncGenerator[AsyncSession]:
        async with self._writes() as session, session.begin():
            await self.place.take_turn(session, alone=alone)
            yield session
        if _MUST_LAST in session.info:
            await self.place.make_last()

    def _refuse_nested(self) -> None:
        owner = self._turn.statistics().owner
        if owner is not None and owner.id == anyio.get_current_task().id:
            raise RuntimeError("db.write() inside db.write(): use the session you have")

    async def _close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()


def _server(url: str) -> Place:
    from app.storage.postgres import PostgresDatabase  # most have no use for it

    return PostgresDatabase(url)
