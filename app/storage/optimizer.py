"""Looks after the database: tells the query planner what is in the tables, gives back empty space.

Which of two ways that is done decides the database itself: SQLite's in `sqlite_upkeep`, that of
PostgreSQL in `postgres_upkeep`. Both ask the same questions before and after, and both may be
killed at any point: what is not done is as it was.
"""

from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Protocol

from anyio import fail_after
from sqlalchemy.ext.asyncio import AsyncEngine

from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.errors import UpkeepTooLong
from app.storage.optimizations import DatabaseFacts, DatabaseOptimized, Optimizations
from app.storage.postgres_upkeep import PostgresUpkeep
from app.storage.sqlite_upkeep import SqliteUpkeep


class Upkeep(Protocol):
    """What one kind of database can have done for it."""

    async def facts(self) -> DatabaseFacts:
        """How it is."""
        ...

    async def analyze(self) -> None:
        """Have the planner know what is in the tables."""
        ...

    async def compact(self, facts: DatabaseFacts) -> bool:
        """Give empty space back, if that is worth it; tells whether it was done."""
        ...

    def why_not_compacted(self, facts: DatabaseFacts) -> str:
        """What stands against it, though there is much to give back; empty when nothing does."""
        ...


class Optimizer:
    """Optimizes one database."""

    def __init__(
        self, database: Database, *, within: timedelta = timedelta(hours=1), now: Now = utc_now
    ) -> None:
        """`within` is for all of it: to write a large file anew takes its time."""
        self._database = database
        self._within = within
        self._now = now

    async def optimize(self, *, dry_run: bool = False) -> DatabaseOptimized:
        """Do it, or only say how things are. Safe to repeat, and to do beside what goes on.

        Raises what the database raises when it can't be worked on now, and `UpkeepTooLong`.
        """
        upkeep = await self._upkeep()
        began_at, began = self._now(), monotonic()
        before = await upkeep.facts()
        is_compacted = not dry_run and await self._done(upkeep, before)
        after = before if dry_run else await upkeep.facts()
        changed = _changed(before.statistics, after.statistics)
        done = DatabaseOptimized(
            dry_run=dry_run,
            dialect=self._database.dialect,
            tables_optimized=len({name.partition(".")[0] for name in changed}),
            indexes_optimized=sum("." in name for name in changed),
            is_compacted=is_compacted,
            freed_bytes=before.size - after.size,
            took=timedelta(seconds=monotonic() - began),
            note="" if is_compacted else upkeep.why_not_compacted(before),
            before=before,
            after=after,
        )
        if not dry_run:
            await Optimizations(self._database).add(began_at, done)
        return done

    async def _done(self, upkeep: Upkeep, before: DatabaseFacts) -> bool:
        """Whether it was compacted, too."""
        try:
            with fail_after(self._within.total_seconds()):
                await upkeep.analyze()
                return await upkeep.compact(before)
        except TimeoutError as error:
            raise UpkeepTooLong(self._within) from error

    async def _upkeep(self) -> Upkeep:
        if self._database.dialect == "sqlite":
            return SqliteUpkeep(self._database.path)
        async with self._database.read() as session:
            engine = session.bind
        assert isinstance(engine, AsyncEngine)
        return PostgresUpkeep(engine, within=self._within)


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """What the planner believes now and did not before, or did and does not."""
    names = before.keys() | after.keys()
    return {name for name in names if before.get(name) != after.get(name)}
