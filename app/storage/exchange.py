"""The rows of a server's database, copied into a file of SQLite's, and back.

The way there is one read-only transaction (REPEATABLE READ), so the file holds one moment, however
long it takes and whoever writes meanwhile. The way back is one transaction, too: killed in the
middle, it has changed nothing. No program of PostgreSQL's is needed, of whatever version.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from anyio.to_thread import run_sync
from sqlalchemy import Column, Table, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.database import Database
from app.storage.errors import DatabaseInUse, NewerDatabase
from app.storage.migrations import every_table, revisions, upgrade

_AT_ONCE = 500  # rows: some milliseconds, in which nothing else happens in this process
_REVISION = text("SELECT version_num FROM alembic_version")
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
)


async def save_server(database: Database, target: Path) -> None:
    """Copy all rows, as of one moment, into an empty file, which gets every table first.

    Raises `NewerDatabase` when a newer Steward has changed the tables since this one looked.
    """
    async with _made(target) as file, database.read() as rows:
        found, newest = str(await rows.scalar(_REVISION)), revisions()[-1]
        if found != newest:
            raise NewerDatabase(database.place, found=found, newest=newest)
        await _save(rows, file)


async def has_rows(url: str) -> bool:
    """Whether there is anything in a server's database, which gets its tables if it has none.

    Raises `DatabaseInUse` when anybody works with it.
    """
    async with Database.open(url) as server:
        await server.migrate()
        async with server.write() as session:
            await _refuse_others(server, session)
            return await _is_anything_in(session)


async def replace_rows(url: str, source: Path, aside: Path | None) -> None:
    """Have a server hold what this file holds, and nothing else; what it held goes into `aside`.

    The file's tables are up to date. Raises `DatabaseInUse` when anybody works with the server's.
    """
    async with AsyncExitStack() as opened:
        file = await opened.enter_async_context(Database.open(source))
        old = await opened.enter_async_context(_made(aside)) if aside else None
        server = await opened.enter_async_context(Database.open(url))
        await server.migrate()
        rows = await opened.enter_async_context(file.read())
        session = await opened.enter_async_context(server.write())
        await _refuse_others(server, session)
        if old is not None:
            await _save(session, old)
            await session.execute(text("CLOSE ALL"))  # what was read to its end holds its table yet
        every = ", ".join(f'"{each.name}"' for each in _tables())
        await session.execute(text(f"TRUNCATE {every}"))
        await _copy(rows, session)
        for each in _tables():
            if each.autoincrement_column is not None:
                await _count_on(session, each, each.autoincrement_column)


@asynccontextmanager
async def _made(path: Path) -> AsyncGenerator[Database]:
    """A new file with every table."""
    await run_sync(upgrade, path)
    async with Database.open(path) as file:
        yield file


def _tables() -> Sequence[Table]:
    """All tables, each after those that it points to."""
    return every_table().sorted_tables


async def _save(rows: AsyncSession, file: Database) -> None:
    async with file.write() as into:
        await _copy(rows, into)


async def _copy(rows: AsyncSession, into: AsyncSession) -> None:
    for table in _tables():
        found = await rows.stream(select(table).execution_options(yield_per=_AT_ONCE))
        async for some in found.mappings().partitions():
            await into.execute(insert(table), [dict(each) for each in some])


async def _is_anything_in(session: AsyncSession) -> bool:
    for table in _tables():
        if (await session.execute(select(table).limit(1))).first() is not None:
            return True
    return False


async def _refuse_others(server: Database, session: AsyncSession) -> None:
    if await session.scalar(_OTHERS):
        raise DatabaseInUse(f"{server.place} is in use: stop Steward on every machine first")


async def _count_on(session: AsyncSession, table: Table, column: "Column[int]") -> None:
    """The next row's number is above those that are there, and no number comes a second time."""
    counter = func.pg_get_serial_sequence(table.name, column.name)
    top = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
    await session.execute(
        select(func.setval(counter, func.greatest(top, func.nextval(counter)), False))
    )
