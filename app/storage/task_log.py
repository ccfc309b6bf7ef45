"""What became of each occurrence of users' tasks: a line an occurrence, kept for some weeks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil

from sqlalchemy import ForeignKey, Row, Select, String, UniqueConstraint, case, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.database import Database
from app.storage.task import Occurrence, TaskStatus, TaskType
from app.storage.tasks import TaskRow

_OVER = (TaskStatus.COMPLETED, TaskStatus.FAILED)
_NEARLY_ALL = 0.95


class TaskEnding(StrEnum):
    """How an occurrence ended."""

    EXECUTED = "executed"
    FAILED = "failed"


class TaskLogRow(Base):
    """A line as the database keeps it."""

    __tablename__ = "ai_task_log"
    __table_args__ = (UniqueConstraint("task_id", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey(TaskRow.id, ondelete="CASCADE"))
    due_at: Mapped[datetime]
    run_id: Mapped[str] = mapped_column(String(200))
    ending: Mapped[TaskEnding]
    method: Mapped[str] = mapped_column(String(100))
    tokens: Mapped[int]
    took_ms: Mapped[int]
    error: Mapped[str]
    ended_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLogged:
    """What there is to say of an occurrence."""

    ending: TaskEnding
    ended_at: datetime
    method: str = ""
    tokens: int = 0
    took_ms: int = 0
    """How long the assistant took for it."""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How the occurrences of one type of task went, as far back as the log goes."""

    task_type: TaskType
    runs: int
    failed: int
    mean_ms: float
    """Of those that were executed, as are the next two."""
    p95_ms: int
    longest_ms: int
    tokens: int

    @property
    def success_rate(self) -> float:
        """The percentage executed; 0 when there is none."""
        return 100 * (self.runs - self.failed) / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """How much there is, or was, from before some moment."""

    lines: int
    tasks: int


class TaskLog:
    """The log in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: int, task_id: int, *, limit: int = 20) -> tuple[TaskLogged, ...]:
        """The lines of this user's task, the latest first."""
        mine = (
            select(TaskLogRow)
            .join(TaskRow)
            .where(TaskRow.id == task_id, TaskRow.user_id == user_id)
            .order_by(TaskLogRow.due_at.desc())
            .limit(limit)
        )
        async with self._database.read() as session:
            return tuple(map(_logged, await session.scalars(mine)))

    async def performance(self, user_id: int) -> tuple[Performance, ...]:
        """How this user's tasks went, by their type."""
        async with self._database.read() as session:
            found = (await session.execute(_sums(user_id))).all()
            return tuple([await _performance(session, user_id, each) for each in found])

    async def clean(self, before: datetime, *, dry_run: bool) -> Old:
        """Delete lines, and tasks that are over, from before this moment; or only count them."""
        lines = TaskLogRow.ended_at < before
        tasks = TaskRow.status.in_(_OVER) & (TaskRow.updated_at < before)
        opened = self._database.read() if dry_run else self._database.write()
        async with opened as session:
            old = Old(
                lines=await _count(session, select(func.count(TaskLogRow.id)).where(lines)),
                tasks=await _count(session, select(func.count(TaskRow.id)).where(tasks)),
            )
            if not dry_run:
                await session.execute(delete(TaskLogRow).where(lines))
                await session.execute(delete(TaskRow).where(tasks))
        return old


def _sums(user_id: int) -> Select[TaskType, int, int, float | None, int | None, int]:
    """Type, runs, executed, their mean and longest time, tokens."""
    executed = TaskLogRow.ending == TaskEnding.EXECUTED
    took = case((executed, TaskLogRow.took_ms))
    return (
        select(
            TaskRow.task_type,
            func.count(),
            func.count(took),
            func.avg(took),
            func.max(took),
            func.sum(TaskLogRow.tokens),
        )
        .select_from(TaskLogRow)
        .join(TaskRow)
        .where(TaskRow.user_id == user_id)
        .group_by(TaskRow.task_type)
        .order_by(TaskRow.task_type)
    )


async def _performance(
    session: AsyncSession,
    user_id: int,
    sums: Row[TaskType, int, int, float | None, int | None, int],
) -> Performance:
    task_type, runs, executed, mean, longest, tokens = sums
    nearly_last = (
        select(TaskLogRow.took_ms)
        .join(TaskRow)
        .filter(TaskRow.user_id == user_id, TaskRow.task_type == task_type)
        .filter(TaskLogRow.ending == TaskEnding.EXECUTED)
        .order_by(TaskLogRow.took_ms)
        .offset(max(0, ceil(_NEARLY_ALL * executed) - 1))
        .limit(1)
    )
    return Performance(
        task_type=task_type,
        runs=runs,
        failed=runs - executed,
        mean_ms=round(float(mean or 0), 1),
        p95_ms=await session.scalar(nearly_last) or 0,
        longest_ms=longest or 0,
        tokens=tokens,
    )


async def _count(session: AsyncSession, counting: Select[int]) -> int:
    return await session.scalar(counting) or 0


def _logged(row: TaskLogRow) -> TaskLogged:
    return TaskLogged(
        ending=row.ending,
        ended_at=row.ended_at,
        method=row.method,
        tokens=row.tokens,
        took_ms=row.took_ms,
        error=row.error,
    )


async def log_occurrence(session: AsyncSession, occurrence: Occurrence, logged: TaskLogged) -> None:
    """Write its line in the session's transaction; a retried occurrence has one line, the last."""
    where = {"task_id": occurrence.task_id, "due_at": occurrence.due_at}
    row = await session.scalar(select(TaskLogRow).filter_by(**where))
    if row is None:
        row = TaskLogRow(**where)
        session.add(row)
    row.run_id = occurrence.run_id
    row.ending, row.ended_at = logged.ending, logged.ended_at
    row.method, row.tokens, row.took_ms = logged.method, logged.tokens, logged.took_ms
    row.error = logged.error
    await session.flush()
