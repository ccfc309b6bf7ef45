"""What is over and done with: rows of a table that tell of a past, and go once that is long ago.

Whoever adds a table of that kind adds a line to `PASTS`. Rows go some thousand at a time, so that
nobody else has to wait for long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.health import HealthCheckRow
from app.storage.optimizations import OptimizationRow
from app.storage.position import GapRow
from app.storage.run import OVER
from app.storage.runs import RunRow
from app.storage.swept import HistoryPruned
from app.storage.sync_history import SyncHistoryRow

_AT_ONCE = 2_000  # rows in one transaction


@dataclass(frozen=True, slots=True)
class Past:
    """A table that tells of a past: when each row happened, and which rows are not over yet."""

    row: type[Base]
    happened: InstrumentedAttribute[Any]
    is_over: ColumnElement[bool] | None = None

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.row.__tablename__)

    def before(self, moment: datetime) -> ColumnElement[bool]:
        """The rows to go."""
        old: ColumnElement[bool] = self.happened < moment
        return old if self.is_over is None else old & self.is_over


PASTS: Final = (
    Past(RunRow, RunRow.ended_at, RunRow.status.in_(OVER)),
    Past(GapRow, GapRow.until),
    Past(HealthCheckRow, HealthCheckRow.checked_at),
    Past(SyncHistoryRow, SyncHistoryRow.started_at),
    Past(OptimizationRow, OptimizationRow.began_at),
)


class History:
    """The past in the database."""

    def __init__(
        self,
        database: Database,
        *,
        keep: timedelta = timedelta(days=90),
        pasts: Sequence[Past] = PASTS,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._keep = keep
        self._pasts = pasts
        self._now = now

    async def prune(self, *, dry_run: bool = False) -> HistoryPruned:
        """Remove what is older than it is kept, or only say how much. Safe to repeat."""
        before = self._now() - self._keep
        act = self._count if dry_run else self._remove
        tables = {past.name: await act(past, before) for past in self._pasts}
        return HistoryPruned(dry_run=dry_run, removed=sum(tables.values()), tables=tables)

    async def _count(self, past: Past, before: datetime) -> int:
        counted = select(func.count()).select_from(past.row).where(past.before(before))
        async with self._database.read() as session:
            return await session.scalar(counted) or 0

    async def _remove(self, past: Past, before: datetime) -> int:
        keys = past.row.__mapper__.primary_key
        some = select(*keys).where(past.before(before)).limit(_AT_ONCE)
        going = delete(past.row).where(tuple_(*keys).in_(some)).returning(keys[0])
        removed = 0
        while True:
            async with self._database.write() as session:
                gone = len((await session.execute(going)).all())
            removed += gone
            if gone < _AT_ONCE:
                return removed
