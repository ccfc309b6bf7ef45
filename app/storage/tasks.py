"""The users' AI tasks: what a user may see and do. `claims.py` has what their runs may do.

Each query names the user: to anyone else the task does not exist. Each change names, in the same
statement, the statuses it may leave.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    delete,
    false,
    func,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.task import (
    LONGEST_TITLE,
    NewTask,
    ScheduleType,
    Task,
    TaskCounts,
    TaskStatus,
    TaskType,
    UnknownTask,
    WrongStatus,
)
from app.storage.users import UserRow

_LONGEST_ID = 200  # of a run


class TaskRow(Base):
    """A task as the database keeps it."""

    __tablename__ = "ai_tasks"
    __table_args__ = (
        UniqueConstraint("user_id", "creation_key"),
        CheckConstraint(f"length(title) BETWEEN 1 AND {LONGEST_TITLE}", name="title_length"),
        CheckConstraint("failures >= 0", name="failures"),
        CheckConstraint("status <> 'active' OR next_run_at IS NOT NULL", name="active_is_due"),
        CheckConstraint("status <> 'completed' OR next_run_at IS NULL", name="completed_is_over"),
        CheckConstraint("(run_id IS NULL) = (claimed_until IS NULL)", name="claim"),
        Index(None, "status", "next_run_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(LONGEST_TITLE))
    description: Mapped[str]
    task_type: Mapped[TaskType]
    schedule_type: Mapped[ScheduleType]
    schedule_config: Mapped[dict[str, Any]]
    timezone: Mapped[str] = mapped_column(String(64))
    ai_context: Mapped[str]
    channels: Mapped[list[str]]
    status: Mapped[TaskStatus] = mapped_column(default=TaskStatus.ACTIVE)
    next_run_at: Mapped[datetime | None]
    last_run_at: Mapped[datetime | None]
    answered_for: Mapped[datetime | None]
    last_result: Mapped[str | None]
    last_method: Mapped[str | None] = mapped_column(String(100))
    last_error: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    run_id: Mapped[str | None] = mapped_column(String(_LONGEST_ID))
    claimed_until: Mapped[datetime | None]
    creation_key: Mapped[str | None] = mapped_column(String(_LONGEST_ID))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_tokens: Mapped[int | None]
    own_zone: Mapped[bool] = mapped_column(server_default=false())
    """Whether `timezone` was given with its schedule; else it is its user's."""


class TaskStore:
    """The tasks in the database, for the users they belong to."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def add(self, new: NewTask, *, key: str | None = None) -> tuple[Task, bool]:
        """Store a task; with False, the one its user stored before under the same `key`."""
        same = select(TaskRow).filter_by(user_id=new.user_id, creation_key=key)
        async with self._database.write() as session:
            if key is not None and (known := await session.scalar(same)) is not None:
                return task_of(known), False
            row = self._row(new, key)
            session.add(row)
        return task_of(row), True

    async def get(self, user_id: int, task_id: int) -> Task:
        """This user's task; raises `UnknownTask`."""
        wanted = select(TaskRow).filter_by(id=task_id, user_id=user_id)
        async with self._database.read() as session:
            row = await session.scalar(wanted)
        if row is None:
            raise UnknownTask(f"there is no task {task_id}")
        return task_of(row)

    async def of(
        self,
        user_id: int,
        *,
        status: TaskStatus | None = None,
        task_type: TaskType | None = None,
        limit: int = 50,
    ) -> tuple[Task, ...]:
        """This user's tasks, those due soonest first, then those with no next run."""
        wanted = select(TaskRow).filter_by(user_id=user_id)
        if status is not None:
            wanted = wanted.filter_by(status=status)
        if task_type is not None:
            wanted = wanted.filter_by(task_type=task_type)
        soonest = wanted.order_by(TaskRow.next_run_at.asc().nulls_last(), TaskRow.id)
        async with self._database.read() as session:
            return tuple(map(task_of, await session.scalars(soonest.limit(limit))))

    async def change(
        self,
        user_id: int,
        task_id: int,
        changes: Mapping[str, Any],
        *,
        leaving: TaskStatus | None = None,
    ) -> Task:
        """Change some columns of this user's task; with `leaving`, only from that status.

        Raises `UnknownTask`, or `WrongStatus` for a step that the task can't take.
        """
        mine = select(TaskRow).filter_by(id=task_id, user_id=user_id).with_for_update()
        async with self._database.write() as session:
            row = await session.scalar(mine)
            if row is None:
                raise UnknownTask(f"there is no task {task_id}")
            _check_step(row.status, changes.get("status", row.status), leaving)
            for column, value in changes.items():
                setattr(row, column, value)
            row.updated_at = self._now()
        return task_of(row)

    async def delete(self, user_id: int, task_id: int) -> None:
        """Delete this user's task; raises `UnknownTask`."""
        mine = delete(TaskRow).filter_by(id=task_id, user_id=user_id).returning(TaskRow.id)
        async with self._database.write() as session:
            if await session.scalar(mine) is None:
                raise UnknownTask(f"there is no task {task_id}")

    async def counts(self, user_id: int) -> TaskCounts:
        """How many tasks this user has, by status."""
        by_status = (
            select(TaskRow.status, func.count()).filter_by(user_id=user_id).group_by(TaskRow.status)
        )
        async with self._database.read() as session:
            found = await session.execute(by_status)
            return TaskCounts(**{status.value: count for status, count in found})

    def _row(self, new: NewTask, key: str | None) -> TaskRow:
        now = self._now()
        return TaskRow(
            user_id=new.user_id,
            title=new.title,
            description=new.description,
            task_type=new.task_type,
            schedule_type=new.schedule_type,
            schedule_config=dict(new.schedule_config),
            timezone=new.timezone,
            own_zone=new.own_zone,
            ai_context=new.ai_context,
            channels=list(new.channels),
            next_run_at=new.next_run_at,
            creation_key=key,
            created_at=now,
            updated_at=now,
        )


def _check_step(now: TaskStatus, target: TaskStatus, leaving: TaskStatus | None) -> None:
    if leaving not in (None, now) or not now.may_become(target):
        raise WrongStatus(f"a task that is {now} can't become {target}")


def task_of(row: TaskRow) -> Task:
    """The row's value."""
    return Task(
        id=row.id,
        user_id=row.user_id,
        title=row.title,
        description=row.description,
        task_type=row.task_type,
        schedule_type=row.schedule_type,
        schedule_config=row.schedule_config,
        timezone=row.timezone,
        ai_context=row.ai_context,
        channels=tuple(row.channels),
        status=row.status,
        next_run_at=row.next_run_at,
        last_run_at=row.last_run_at,
        answered_for=row.answered_for,
        last_result=row.last_result,
        last_method=row.last_method,
        last_tokens=row.last_tokens or 0,
        last_error=row.last_error,
        failures=row.failures,
        run_id=row.run_id,
        claimed_until=row.claimed_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
