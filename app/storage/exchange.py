"""The rows of a server's database, copied into a file of SQLite's, and back.

The way there is one read-only transaction (REPEATABLE READ), so the file holds one moment, however
long it takes and whoever writes meanwhile. The way back is one transaction, too: killed in the
middle, it has changed nothing. What is cached stays behind: it is large, and can be had again. No
program of PostgreSQL's is needed, of whatever version.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.to_thread import run_sync
from sqlalchemy import Table, insert, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.cache import CacheRow
from app.storage.database import Database
from app.storage.errors import DatabaseInUse, HoldsRows, NewerDatabase, RowsNotMoved
from app.storage.migrations import every_table, revisions, upgrade
from app.storage.numbers import count_on, highest_numbers

_AT_ONCE = 500  # rows: some milliseconds, in which nothing else happens in this process
_LOOKS, _PAUSE = 11, 0.1  # s: a connection that was just closed is listed for a moment
_REVISION = text("SELECT version_num FROM alembic_version")
_UNHURRIED = text("SET LOCAL idle_in_transaction_session_timeout = 0")  # a file's disk may be slow
_AFRESH = text("SELECT pg_stat_clear_snapshot()")
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
)


async def save_server(database: Database, target: Path) -> None:
    """Copy all rows, as of one moment, into an empty file, which gets every table first.

    Raises `NewerDatabase` when a newer Steward has changed the tables since this one looked.
    """
    async with _made(target) as file, database.read() as rows:
        await rows.execute(_UNHURRIED)
        found, newest = str(await rows.scalar(_REVISION)), revisions()[-1]
        if found != newest:
            raise NewerDatabase(database.place, found=found, newest=newest)
        await _save(rows, file)


async def has_rows(url: str) -> bool:
    """Whether there is anything in a server's database, which gets its tables if it has none.

    Raises `DatabaseInUse` when anybody works with it, and `RowsNotMoved`.
    """
    async with _alone_in(url) as server, server.write() as session:
        return await _is_anything_in(session)


async def replace_rows(
    url: str, source: Path, *, held: Path, keep: Callable[[], None] | None
) -> None:
    """Have a server hold what this file holds, and nothing else.

    What it held is copied into the new file `held`, and `keep` is called once that is whole; the
    rows go after that, in the same transaction. The tables in `source` are up to date. Raises
    `DatabaseInUse` when anybody works with the server's, `HoldsRows` when it holds some and there
    is no `keep`, and `RowsNotMoved`.
    """
    async with (
        _alone_in(url) as server,
        Database.open(source) as file,
        file.read() as rows,
        server.write() as session,
    ):
        await session.execute(_UNHURRIED)
        await _refuse_others(server, session)
        if await _is_anything_in(session):
            if keep is None:
                raise HoldsRows(server.place)
            async with _made(held) as old:
                await _save(session, old)
            await run_sync(keep)
            await session.execute(text("CLOSE ALL"))  # what was read to its end holds its table yet
        every = ", ".join(f'"{each.name}"' for each in every_table().sorted_tables)
        await session.execute(text(f"TRUNCATE {every}"))
        await _copy(rows, session)


@asynccontextmanager
async def _alone_in(url: str) -> AsyncGenerator[Database]:
    """A server's database that nobody else works with, its tables up to date."""
    async with Database.open(url) as server:
        try:
            async with server.read() as session:
                await _refuse_others(server, session)
            await server.migrate()
            yield server
        except SQLAlchemyError as error:
            raise RowsNotMoved(server.place, getattr(error, "orig", None) or error) from error


@asynccontextmanager
async def _made(path: Path) -> AsyncGenerator[Database]:
    """A new file with every table."""
    await run_sync(upgrade, path)
    async with Database.open(path) as file:
        yield file


def _lasting_tables() -> Sequence[Table]:
    """Those that are copied, each after those that it points to."""
    tables = every_table().sorted_tables
    return [each for each in tables if each.name != CacheRow.__tablename__]


async def _save(rows: AsyncSession, file: Database) -> None:
    async with file.write() as into:
        await _copy(rows, into)


async def _copy(rows: AsyncSession, into: AsyncSession) -> None:
    for table in _lasting_tables():
        found = await rows.stream(select(table).execution_options(yield_per=_AT_ONCE))
        async for some in found.mappings().partitions():
            await into.execute(insert(table), [dict(each) for each in some])
    tables = _lasting_tables()
    await count_on(into, tables, await highest_numbers(rows, tables))


async def _is_anything_in(session: AsyncSession) -> bool:
    for table in _lasting_tables():
        if (await session.execute(select(table).limit(1))).first() is not None:
            return True
    return False


async def _refuse_others(server: Database, session: AsyncSession) -> None:
    for _ in range(_LOOKS):
        await session.execute(_AFRESH)
        if not await session.scalar(_OTHERS):
            return
        await anyio.sleep(_PAUSE)
    raise DatabaseInUse(f"{server.place} is in use: stop Steward on every machine first")
