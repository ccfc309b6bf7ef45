"""Who runs which task next, and what became of it: the part of a task's life without its user.

An occurrence, one due time of one task, is seen to by one run. Its claim is taken before the run
is queued, renewed by each attempt, and dropped when the occurrence is over:

    claim_due / promise ──> begin ──> answer ──> finish      (the next due time is set)
         ^                    │                └─> fail      (likewise; a one-off is failed)
         └── the claim lapses: its run, or the queue, was lost

Each step is one transaction, in no turn, and names the due time, so a step of a run that came too
late changes nothing and says so with None or False. Repeating a step changes nothing either.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.database import Database
from app.storage.task import Occurrence, Task, TaskStatus
from app.storage.task_log import TaskLogged, log_occurrence
from app.storage.tasks import TaskRow, task_of

_RUNNABLE = (TaskStatus.ACTIVE, TaskStatus.PAUSED)  # paused: in the middle of this very run
_PAUSED = literal(TaskStatus.PAUSED, TaskRow.status.type)


class Claims:
    """The runs' side of the tasks in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, task_id: int) -> Task | None:
        """The task, whoever it belongs to; None when it was deleted."""
        async with self._database.read() as session:
            row = await session.get(TaskRow, task_id)
        return None if row is None else task_of(row)

    async def claim_due(self, *, now: datetime, until: datetime, limit: int) -> tuple[Task, ...]:
        """Claim tasks that are due and have no run, the longest due first; each for one caller."""
        due = (
            select(TaskRow)
            .where(TaskRow.status == TaskStatus.ACTIVE, TaskRow.next_run_at <= now, _is_free(now))
            .order_by(TaskRow.next_run_at, TaskRow.id)
            .limit(limit)
            .with_for_update(skip_locked=True)  # in SQLite this is the only writer
        )
        async with self._database.write(in_turn=False) as session:
            rows = (await session.scalars(due)).all()
            for row in rows:
                row.run_id = _run_id_of(row)
                row.claimed_until = until
        return tuple(map(task_of, rows))

    async def promise(self, occurrence: Occurrence, *, until: datetime) -> bool:
        """Note the run that will see to it; False when the task is not due then any more."""
        values = {"run_id": occurrence.run_id, "claimed_until": until}
        return await self._change(occurrence, (TaskStatus.ACTIVE,), values) is not None

    async def release(self, occurrences: Sequence[Occurrence]) -> None:
        """Give claims back, so that the next look at what is due finds these again."""
        for each in occurrences:
            values = {"run_id": None, "claimed_until": None}
            mine = TaskRow.run_id == each.run_id
            await self._change(each, (TaskStatus.ACTIVE,), values, mine)

    async def begin(self, occurrence: Occurrence, *, now: datetime, until: datetime) -> Task | None:
        """Take or renew the run's claim; None when the occurrence is not this run's to execute.

        A failed one-off may be begun again by another run: that is somebody's retry of it.
        """
        mine = TaskRow.run_id == occurrence.run_id
        waiting = and_(TaskRow.status == TaskStatus.ACTIVE, or_(_is_free(now), mine))
        retried = and_(TaskRow.status == TaskStatus.FAILED, ~mine)
        values = {
            "status": TaskStatus.ACTIVE,
            "run_id": occurrence.run_id,
            "claimed_until": until,
        }
        leaving = (TaskStatus.ACTIVE, TaskStatus.FAILED)
        return await self._change(occurrence, leaving, values, or_(waiting, retried))

    async def answer(
        self, occurrence: Occurrence, *, result: str, logged: TaskLogged
    ) -> Task | None:
        """Keep what the run found out; from here on the occurrence is not executed again."""
        at = logged.ended_at
        values = {
            "last_result": result,
            "last_method": logged.method,
            "last_tokens": logged.tokens,
            "last_run_at": at,
            "answered_for": occurrence.due_at,
            "updated_at": at,
        }
        async with self._database.write() as session:
            task = await _changed(session, occurrence, _RUNNABLE, values)
            if task is not None:
                await log_occurrence(session, occurrence, logged)
        return task

    async def finish(
        self, occurrence: Occurrence, *, next_run_at: datetime | None, at: datetime
    ) -> Task | None:
        """Close the occurrence: the task waits for its next run, or is completed."""
        values = _closed(next_run_at, at) | {"failures": 0, "last_error": None}
        if next_run_at is None:
            values["status"] = TaskStatus.COMPLETED
        return await self._change(occurrence, _RUNNABLE, values)

    async def fail(
        self,
        session: AsyncSession,
        occurrence: Occurrence,
        *,
        logged: TaskLogged,
        next_run_at: datetime | None,
        pause_after: int,
    ) -> Task | None:
        """Close the occurrence as failed, in the session's transaction.

        A recurring task waits for its next run, or is paused when it has failed so often in a row.
        Without a next run the task is failed and keeps its due time and run, so that the run can
        be retried.
        """
        at = logged.ended_at
        values: dict[str, Any] = {"updated_at": at, "status": TaskStatus.FAILED}
        values |= {"run_id": occurrence.run_id, "claimed_until": at}
        if next_run_at is not None:
            too_often = TaskRow.failures + 1 >= pause_after
            status = case((too_often, _PAUSED), else_=TaskRow.status)
            values = _closed(next_run_at, at) | {"status": status}
        failure = {
            "last_error": logged.error,
            "failures": TaskRow.failures + 1,
            "last_run_at": at,
        }
        task = await _changed(session, occurrence, _RUNNABLE, values | failure)
        if task is not None:
            await log_occurrence(session, occurrence, logged)
        return task

    async def _change(
        self,
        occurrence: Occurrence,
        leaving: Sequence[TaskStatus],
        values: dict[str, Any],
        *conditions: ColumnElement[bool],
    ) -> Task | None:
        async with self._database.write(in_turn=False) as session:
            return await _changed(session, occurrence, leaving, values, *conditions)


async def _changed(
    session: AsyncSession,
    occurrence: Occurrence,
    leaving: Sequence[TaskStatus],
    values: dict[str, Any],
    *conditions: ColumnElement[bool],
) -> Task | None:
    statement = (
        update(TaskRow)
        .where(
            TaskRow.id == occurrence.task_id,
            TaskRow.next_run_at == occurrence.due_at,
            TaskRow.status.in_(leaving),
            *conditions,
        )
        .values(**values)
        .returning(TaskRow)
        .execution_options(populate_existing=True)
    )
    row = await session.scalar(statement)
    return None if row is None else task_of(row)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(TaskRow.run_id.is_(None), TaskRow.claimed_until <= now)


def _run_id_of(row: TaskRow) -> str | None:
    occurrence = task_of(row).occurrence
    return None if occurrence is None else occurrence.run_id


def _closed(next_run_at: datetime | None, at: datetime) -> dict[str, Any]:
    return {"next_run_at": next_run_at, "run_id": None, "claimed_until": None, "updated_at": at}
