"""Tasks that are still in a zone that their user has left."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select

from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.task import Task, TaskStatus
from app.storage.tasks import TaskRow, task_of
from app.storage.users import UserRow

Changes = Callable[[Task, str], Mapping[str, Any]]
"""The columns of a task as they are to be in this zone."""

_ALIVE = (TaskStatus.ACTIVE, TaskStatus.PAUSED)
_MOST = 200  # tasks a transaction


class TaskZones:
    """Moves tasks into their users' zones."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def follow(self, changed: Changes) -> tuple[Task, ...]:
        """Change those that were given no zone of their own; returns them as they are then.

        One that is due has its turn first.
        """
        row, now = TaskRow, self._now()
        stray = (
            select(row, UserRow.timezone)
            .join(UserRow, UserRow.id == row.user_id)
            .where(row.timezone != UserRow.timezone, row.own_zone.is_(False))
            .where(row.status.in_(_ALIVE), row.next_run_at > now)
            .limit(_MOST)
            .with_for_update(of=row)
        )
        async with self._database.write() as session:
            found = (await session.execute(stray)).all()
            for task, zone in found:
                for column, value in changed(task_of(task), zone).items():
                    setattr(task, column, value)
                task.timezone, task.updated_at = zone, now
            return tuple(task_of(task) for task, _ in found)
