"""What the runs of users' tasks do to them: claim, begin, answer, finish, fail.

The story of an occurrence is in `storage/claims.py`; here it meets the task's schedule, which says
when the next one is due, and the clock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.bad_field import BadSchedule
from app.services.recurrence import Schedule
from app.services.schedule_config import read_schedule
from app.services.wall_clock import UnknownZone, zone_named
from app.storage.claims import Claims
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.task import Occurrence, Task, TaskStatus
from app.storage.task_log import TaskEnding, TaskLogged

CLAIM = timedelta(minutes=10)
"""How long a run may be silent before its task is taken from it: longer than an attempt lasts
and the pause before the next together."""

PAUSE_AFTER = 5  # failures in a row

_LONGEST_RESULT = 20_000  # characters
_LONGEST_ERROR = 1_000


class TaskRuns:
    """Tasks as their runs see them; who they belong to has been settled when they were made."""

    def __init__(
        self, database: Database, *, pause_after: int = PAUSE_AFTER, now: Now = utc_now
    ) -> None:
        self._database = database
        self._claims = Claims(database)
        self._pause_after = pause_after
        self.now = now

    async def find(self, task_id: int) -> Task | None:
        """The task, or None when it was deleted."""
        return await self._claims.find(task_id)

    async def claim_due(self, *, limit: int = 50) -> tuple[Task, ...]:
        """Claim tasks that are due and have no run: each goes to one caller only."""
        now = self.now()
        return await self._claims.claim_due(now=now, until=now + CLAIM, limit=limit)

    async def promise(self, occurrence: Occurrence) -> bool:
        """Note which run will see to a task; False when it is no longer due then."""
        until = max(occurrence.due_at, self.now()) + CLAIM
        return await self._claims.promise(occurrence, until=until)

    async def release(self, occurrences: Sequence[Occurrence]) -> None:
        """Give claims back, so that the tasks are found again."""
        await self._claims.release(occurrences)

    async def begin(self, occurrence: Occurrence) -> Task | None:
        """Take up an occurrence; None when it is not this run's to execute."""
        now = self.now()
        return await self._claims.begin(occurrence, now=now, until=now + CLAIM)

    async def answer(
        self, occurrence: Occurrence, *, result: str, method: str, tokens: int = 0, took_ms: int = 0
    ) -> Task | None:
        """Keep the result; None when the task has been changed or deleted meanwhile."""
        logged = TaskLogged(
            ending=TaskEnding.EXECUTED,
            ended_at=self.now(),
            method=method,
            tokens=tokens,
            took_ms=took_ms,
        )
        return await self._claims.answer(occurrence, result=result[:_LONGEST_RESULT], logged=logged)

    async def finish(self, task: Task, occurrence: Occurrence) -> Task | None:
        """Close the occurrence: the task waits for its next run, or is completed."""
        try:
            following = self._following(task, occurrence)
        except (BadSchedule, UnknownZone):
            async with self._database.write() as session:
                return await self.fail(session, task, occurrence, "")
        return await self._claims.finish(occurrence, next_run_at=following, at=self.now())

    async def fail(
        self, session: AsyncSession, task: Task, occurrence: Occurrence, error: str
    ) -> Task | None:
        """Close the occurrence as failed: a recurring task goes on, a one-off has failed.

        One that has failed too often in a row is paused. A stored schedule that can't be read ends
        the task, in words, rather than the batch.
        """
        try:
            following = self._following(task, occurrence)
        except (BadSchedule, UnknownZone) as broken:
            following, error = None, str(broken)
        logged = TaskLogged(
            ending=TaskEnding.FAILED, ended_at=self.now(), error=error[:_LONGEST_ERROR]
        )
        return await self._claims.fail(
            session,
            occurrence,
            logged=logged,
            next_run_at=following,
            pause_after=self._pause_after,
        )

    def pauses(self, task: Task) -> bool:
        """Whether this failed task was paused for it, just now; its owner has to hear of that."""
        is_paused = task.status is TaskStatus.PAUSED and task.failures >= self._pause_after
        return is_paused and task.next_run_at is not None

    def _following(self, task: Task, occurrence: Occurrence) -> datetime | None:
        """The next due time: after this one, and not in the past, however late this one ran."""
        return next_due(schedule_of(task), max(self.now(), occurrence.due_at))


def schedule_of(task: Task) -> Schedule:
    """The task's schedule; raises `BadSchedule` or `UnknownZone` when what is stored is broken."""
    zone = zone_named(task.timezone)
    config, made = task.schedule_config, task.created_at
    return read_schedule(task.schedule_type, config, zone=zone, now=made)


def next_due(schedule: Schedule, after: datetime) -> datetime | None:
    """The schedule's next run, to the second and never early: due times name runs."""
    following = schedule.next_run(after)
    return None if following is None else next_second(following)


def next_second(moment: datetime) -> datetime:
    """This moment, or the first whole second after it."""
    if moment.microsecond == 0:
        return moment
    return moment.replace(microsecond=0) + timedelta(seconds=1)
