"""PostgreSQL looked after: VACUUM (ANALYZE) for each table of ours, outside of any transaction.

Its own autovacuum does most of that by itself. Space is marked as free to be used again, and is
given back to the disk only where it lies at a table's end.
"""

from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.storage.optimizations import DatabaseFacts
from app.storage.questions import USUAL, counts

_TABLES = (
    "SELECT relname, pg_total_relation_size(relid), n_dead_tup FROM pg_stat_user_tables"
    " WHERE schemaname = current_schema() ORDER BY relname"
)
_STATISTICS = (
    "SELECT c.relname, i.relname, c.reltuples::bigint, i.reltuples::bigint"
    " FROM pg_class c JOIN pg_stat_user_tables t ON t.relid = c.oid"
    " LEFT JOIN pg_index x ON x.indrelid = c.oid LEFT JOIN pg_class i ON i.oid = x.indexrelid"
    " WHERE t.schemaname = current_schema()"
)


class PostgresUpkeep:
    """Looks after one database."""

    def __init__(self, engine: AsyncEngine, *, within: timedelta) -> None:
        self._engine = engine
        self._within = within.total_seconds()

    async def facts(self) -> DatabaseFacts:
        """How it is."""
        async with self._engine.connect() as connection:
            tables = await _rows(connection, _TABLES)
            began = perf_counter()
            for query in USUAL:
                await _rows(connection, query)
            took = perf_counter() - began
            rows = {name: await _count(connection, each) for name, each in counts().items()}
            dead = {each[0]: each[2] / max(1, each[2] + rows.get(each[0], 0)) for each in tables}
            return DatabaseFacts(
                size=sum(each[1] for each in tables),
                unused=int(sum(each[1] * dead[each[0]] for each in tables)),
                rows=rows,
                statistics=_believed(await _rows(connection, _STATISTICS)),
                queries_ms=round(took * 1000, 3),
            )

    async def analyze(self) -> None:
        """Vacuum and analyze each table; raises `OperationalError` if one is locked for long."""
        async with self._engine.connect() as connection:
            await connection.execution_options(
                isolation_level="AUTOCOMMIT", postgresql_readonly=False
            )
            for name, *_ in await _rows(connection, _TABLES):
                await self._vacuum(connection, name)

    async def _vacuum(self, connection: AsyncConnection, table: str) -> None:
        """As long as it takes: what other statements may take is far too short for a large one.

        The driver is asked itself, as only its own call has a time limit of its own.
        """
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            await driver.execute(f"VACUUM (ANALYZE) {_quoted(table)}", timeout=self._within)
        except Exception as error:
            raise OperationalError(None, None, error) from error
        except BaseException:
            driver.terminate()  # nobody waits any more: it must not go back in the middle of it
            raise

    async def compact(self, facts: DatabaseFacts) -> bool:
        """Nothing more: VACUUM FULL would lock everybody out."""
        del facts
        return False

    def why_not_compacted(self, facts: DatabaseFacts) -> str:
        """Nothing: space is used again."""
        del facts
        return ""


async def _rows(connection: AsyncConnection, query: str) -> Sequence[Any]:
    return (await connection.execute(text(query))).all()


async def _count(connection: AsyncConnection, question: str) -> int:
    return int((await _rows(connection, question))[0][0])


def _believed(rows: Sequence[Any]) -> dict[str, str]:
    tables = {str(table): str(count) for table, _, count, _ in rows}
    indexes = {f"{table}.{index}": str(count) for table, index, _, count in rows if index}
    return tables | indexes


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
