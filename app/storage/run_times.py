"""How long runs took and waited, read from the history for whoever measures it.

Nothing is written, and nobody who writes is held up: SQLite's readers have a snapshot of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.engine import Ending
from app.storage.database import Database
from app.storage.run import OVER
from app.storage.runs import RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTime:
    """One run that is over."""

    job: str
    status: Ending
    attempts: int
    due_at: datetime
    """When it was to begin: after any delay, or when it was enqueued."""
    started_at: datetime
    ended_at: datetime


class RunTimes:
    """Looks at many runs of the history at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, since: datetime) -> dict[Ending, int]:
        """How many runs' latest attempts ended from then on, by how."""
        row = RunRow
        query = select(row.status, func.count()).where(row.ended_at >= since).group_by(row.status)
        async with self._database.read() as session:
            rows = (await session.execute(query)).all()
        return dict.fromkeys(Ending, 0) | {row[0]: row[1] for row in rows}

    async def totals(self, since: datetime) -> dict[tuple[str, Ending], int]:
        """How many runs of each job are over since then, by how they ended."""
        row = RunRow
        query = (
            select(row.job, row.status, func.count())
            .where(row.ended_at >= since, row.status.in_(OVER))
            .group_by(row.job, row.status)
        )
        async with self._database.read() as session:
            rows = (await session.execute(query)).all()
        return {(job, status): count for job, status, count in rows}

    async def latest(self, since: datetime, *, most: int) -> Sequence[RunTime]:
        """The latest runs that are over since then, the newest first, and no more than `most`."""
        row = RunRow
        due_at = func.coalesce(row.due_at, row.enqueued_at).label("due_at")
        columns = (row.job, row.status, row.attempts, due_at, row.started_at, row.ended_at)
        query = (
            select(*columns)
            .where(row.ended_at >= since, row.status.in_(OVER))
            .order_by(row.ended_at.desc())
            .limit(most)
        )
        async with self._database.read() as session:
            rows = (await session.execute(query)).mappings().all()
        return [RunTime(**each) for each in rows]
