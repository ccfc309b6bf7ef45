"""Users' AI tasks and reminders: made, looked at, changed, paused and deleted by their owners.

Everything a user gives is checked here; what is wrong is named by its field. What a task's runs do
with it is `runs`. Nothing here enqueues: whoever makes or changes a task enqueues its next run
(`app.jobs.ai.enqueue_next`), and the minute's look at what is due finds those that nobody did.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.services.bad_field import BadTask
from app.services.notifications import Channel
from app.services.recurrence import Interval, Once, Schedule
from app.services.schedule_config import read_schedule, schedule_type
from app.services.task_draft import Draft, on, unclaimed
from app.services.task_fields import channel_names, plain_text, plain_title
from app.services.task_journal import KEEP, TaskJournal
from app.services.task_runs import PAUSE_AFTER, TaskRuns, next_due, next_second, schedule_of
from app.services.wall_clock import zone_named
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.task import (
    Task,
    TaskCounts,
    TaskStatus,
    TaskType,
    WrongStatus,
)
from app.storage.task_zones import TaskZones
from app.storage.tasks import TaskStore
from app.storage.users import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to change about a task; None leaves it as it is."""

    title: str | None = None
    description: str | None = None
    ai_context: str | None = None
    channels: tuple[Channel, ...] | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """A task, and whether this call made it."""

    task: Task
    is_new: bool


class Tasks:
    """The users' tasks. Each method sees the tasks of the user it names, and no others."""

    def __init__(
        self,
        database: Database,
        *,
        pause_after: int = PAUSE_AFTER,
        keep: timedelta = KEEP,
        now: Now = utc_now,
    ) -> None:
        self._store = TaskStore(database, now=now)
        self._zones = TaskZones(database, now=now)
        self._now = now
        self.runs = TaskRuns(database, pause_after=pause_after, now=now)
        self.log = TaskJournal(database, keep=keep, now=now)

    async def follow_zones(self) -> tuple[Task, ...]:
        """Let tasks be at their time of the day in the zone that their users have moved to.

        A task whose schedule was given a zone of its own stays in it; one that is due has its turn
        first. Safe to repeat: what has followed is left alone. Returns those that have.
        """
        return await self._zones.follow(self._in_zone)

    async def create_reminder(
        self,
        user: User,
        title: str,
        remind_at: datetime,
        *,
        description: str = "",
        channels: Iterable[Channel] = (Channel.IN_APP,),
        key: str | None = None,
        asked_at: datetime | None = None,
    ) -> Created:
        """A reminder for one moment, later than when it was asked for (now, unless given).

        Under the same `key` a repeat finds the first one. Raises `BadTask` or `BadSchedule`.
        """
        if remind_at.tzinfo is None or remind_at <= (asked_at or self._now()):
            raise BadTask("remind_at", f"{remind_at.isoformat()} has passed or has no time zone")
        new = Draft(user, title, Once(remind_at), description=description, channels=tuple(channels))
        if not new.channels:
            raise BadTask("channels", "a reminder needs at least one way to reach its user")
        return await self._add(new, TaskType.REMINDER, key=key, after=asked_at)

    async def create_periodic_task(
        self,
        user: User,
        title: str,
        kind: str,
        config: Mapping[str, object],
        *,
        description: str = "",
        ai_context: str = "",
        channels: Iterable[Channel] = (Channel.IN_APP,),
        key: str | None = None,
        asked_at: datetime | None = None,
    ) -> Created:
        """A task for the assistant, on a schedule in its user's zone; `once` is one of them.

        Under the same `key` a repeat finds the first one. Raises `BadTask` or `BadSchedule`.
        """
        schedule = self.schedule(user, kind, config)
        once = isinstance(schedule, Once)
        new = Draft(
            user,
            title,
            schedule,
            description=description,
            ai_context=ai_context,
            channels=tuple(channels),
        )
        task_type = TaskType.AUTOMATED if once else TaskType.PERIODIC
        return await self._add(new, task_type, key=key, after=asked_at if once else None)

    def schedule(self, user: User, kind: str, config: Mapping[str, object]) -> Schedule:
        """Read a schedule in the user's zone; raises `BadSchedule` naming the field."""
        zone = zone_named(user.timezone)
        return read_schedule(schedule_type(kind), config, zone=zone, now=self._now())

    async def get(self, user_id: int, task_id: int) -> Task:
        """This user's task; raises `UnknownTask`."""
        return await self._store.get(user_id, task_id)

    async def of(
        self,
        user_id: int,
        *,
        status: TaskStatus | None = None,
        task_type: TaskType | None = None,
        limit: int = 50,
    ) -> tuple[Task, ...]:
        """This user's tasks, those due soonest first."""
        return await self._store.of(user_id, status=status, task_type=task_type, limit=limit)

    async def change(self, user: User, task_id: int, changes: Changes) -> Task:
        """Change this user's task. Another schedule starts now, and revives a task that is over.

        Raises `BadTask`, `BadSchedule` or `UnknownTask`; nothing is changed then.
        """
        values = _checked_changes(changes)
        if changes.schedule is not None:
            due = next_due(changes.schedule, self._now())
            if due is None:
                raise BadTask("schedule", "has no run to come")
            now_is = (await self.get(user.id, task_id)).status
            status = now_is if now_is is TaskStatus.PAUSED else TaskStatus.ACTIVE
            values |= on(changes.schedule, user) | unclaimed(due) | {"status": status}
        return await self._store.change(user.id, task_id, values)

    async def pause(self, user_id: int, task_id: int) -> Task:
        """Let this user's task rest: no run of it does anything until it is resumed."""
        values: dict[str, Any] = {"status": TaskStatus.PAUSED, "run_id": None}
        return await self._store.change(user_id, task_id, values | {"claimed_until": None})

    async def resume(self, user_id: int, task_id: int) -> Task:
        """Let a paused or failed task go on with its next run; a one-off past its time runs now.

        Raises `UnknownTask`, or `WrongStatus` for a task that is completed.
        """
        task = await self.get(user_id, task_id)
        if task.status is TaskStatus.ACTIVE:
            return task
        if task.status is TaskStatus.COMPLETED:
            raise WrongStatus("a completed task can't be resumed: give it another schedule")
        now = self._now()
        due = next_due(schedule_of(task), now) or now.replace(microsecond=0)
        return await self._store.change(
            user_id,
            task_id,
            unclaimed(due) | {"status": TaskStatus.ACTIVE, "failures": 0},
            leaving=task.status,
        )

    async def run_now(self, user_id: int, task_id: int) -> Task:
        """Have this user's task run at once, whatever its schedule says; then that goes on.

        A task that is over runs once more. Raises `UnknownTask`, or `WrongStatus` for one that is
        paused, or whose run is due and at work.
        """
        task, now = await self.get(user_id, task_id), self._now()
        if task.status is TaskStatus.PAUSED:
            raise WrongStatus(f"task {task_id} is paused: resume it first")
        if task.status is TaskStatus.ACTIVE and task.next_run_at and task.next_run_at <= now:
            raise WrongStatus(f"task {task_id} is due, and runs as soon as there is a worker")
        values = unclaimed(next_second(now)) | {"status": TaskStatus.ACTIVE}
        return await self._store.change(user_id, task_id, values, leaving=task.status)

    async def delete(self, user_id: int, task_id: int) -> None:
        """Delete this user's task; its run, if one waits, will find nothing to do."""
        await self._store.delete(user_id, task_id)

    async def statistics(self, user_id: int) -> TaskCounts:
        """How many tasks this user has, and how many of those that are over went well."""
        return await self._store.counts(user_id)

    async def _add(
        self, draft: Draft, task_type: TaskType, *, key: str | None, after: datetime | None
    ) -> Created:
        due = next_due(draft.schedule, after or self._now())
        if due is None:
            raise BadTask("run_at", "has passed")
        task, is_new = await self._store.add(draft.checked(task_type, due), key=key)
        return Created(task, is_new)

    def _in_zone(self, task: Task, zone: str) -> dict[str, Any]:
        try:
            schedule = schedule_of(replace(task, timezone=zone))
        except ValueError:  # it fails in words when it is due
            return {}
        is_by_the_wall = not isinstance(schedule, Once | Interval)
        due = next_due(schedule, self._now()) if is_by_the_wall else None
        return unclaimed(due) if due else {}


def _checked_changes(changes: Changes) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if changes.title is not None:
        values["title"] = plain_title(changes.title)
    if changes.description is not None:
        values["description"] = plain_text("description", changes.description)
    if changes.ai_context is not None:
        values["ai_context"] = plain_text("ai_context", changes.ai_context)
    if changes.channels is not None:
        values["channels"] = list(channel_names(changes.channels))
    return values
