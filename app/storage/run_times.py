"""How long runs took and waited, read from the history for whoever measures it.

Nothing is written, and nobody who writes is held up: SQLite's readers have a snapshot of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.engine import Ending, is_scheduled
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledDeath:
    """A run of a schedule that ended for good without success, and none has succeeded since."""

    job: str
    run_id: str
    ended_at: datetime
    error: str
    """The class of what it died of."""


class RunTimes:
    """Looks at many runs of the history at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, since: datetime) -> dict[tuple[str, Ending], int]:
        """How many runs' latest attempts ended from then on, by their job and how."""
        row = RunRow
        query = (
            select(row.job, row.status, func.count())
            .where(row.ended_at >= since)
            .group_by(row.job, row.status)
        )
        async with self._database.read() as session:
            rows = (await session.execute(query)).all()
        return {(job, status): count for job, status, count in rows}

    async def scheduled_deaths(self, since: datetime) -> list[ScheduledDeath]:
        """The schedules whose latest run since then ended dead, one a job, and what of."""
        row = RunRow
        columns = (row.job, row.id, row.ended_at, row.error_kind)
        dead = select(*columns).where(row.status == Ending.DEAD, row.ended_at >= since)
        async with self._database.read() as session:
            died = {
                job: ScheduledDeath(job=job, run_id=run_id, ended_at=ended_at, error=error)
                for job, run_id, ended_at, error in await session.execute(
                    dead.order_by(row.ended_at)
                )
                if is_scheduled(run_id)
            }
            well = select(row.job, func.max(row.ended_at)).where(
                row.status == Ending.SUCCEEDED, row.ended_at >= since, row.job.in_(died)
            )
            found = await session.execute(well.group_by(row.job))
            latest: dict[str, datetime] = {row[0]: row[1] for row in found}
        return [
            each
            for each in died.values()
            if each.job not in latest or latest[each.job] < each.ended_at
        ]

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
