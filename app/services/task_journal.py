"""How users' tasks went, as far back as that is kept: figures for people, and the sweep of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.task_log import Performance, TaskLog, TaskLogged

KEEP = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLogsCleaned:
    """What a sweep deleted, or would have."""

    dry_run: bool
    before: datetime
    logs_cleaned: int
    """Occurrences whose line is gone."""
    tasks_cleaned: int
    """Tasks that were over, with their results."""


class TaskJournal:
    """What became of tasks' occurrences."""

    def __init__(self, database: Database, *, keep: timedelta = KEEP, now: Now = utc_now) -> None:
        self._log = TaskLog(database)
        self._keep = keep
        self._now = now

    async def of(self, user_id: int, task_id: int, *, limit: int = 20) -> tuple[TaskLogged, ...]:
        """How the occurrences of this user's task went, the latest first."""
        return await self._log.of(user_id, task_id, limit=limit)

    async def performance(self, user_id: int) -> tuple[Performance, ...]:
        """How this user's tasks went, by their type."""
        return await self._log.performance(user_id)

    async def clean(self, *, dry_run: bool = False) -> TaskLogsCleaned:
        """Delete what is older than is kept, of all users; or only say how much. Safe to repeat.

        That is the lines of occurrences, and tasks that are completed or failed and that nobody
        has touched since. What is active or paused stays, however old.
        """
        before = self._now() - self._keep
        old = await self._log.clean(before, dry_run=dry_run)
        return TaskLogsCleaned(
            dry_run=dry_run, before=before, logs_cleaned=old.lines, tasks_cleaned=old.tasks
        )
