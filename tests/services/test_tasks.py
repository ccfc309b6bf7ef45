from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.services.bad_field import BadField, BadTask
from app.services.notifications import Channel
from app.services.phrases import understand
from app.services.recurrence import Daily, Once
from app.services.task_runs import PAUSE_AFTER
from app.services.tasks import Changes, Tasks
from app.storage.database import Database
from app.storage.task import (
    Occurrence,
    Task,
    TaskCounts,
    TaskStatus,
    TaskType,
    UnknownTask,
    WrongStatus,
)
from app.storage.users import User, Users

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)  # a Monday, 11:00 in Berlin
HOUR = timedelta(hours=1)


class Clock:
    """Shows the time a test has set."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def watch() -> Clock:
    return Clock()


@pytest.fixture
def tasks(database: Database, watch: Clock) -> Tasks:
    return Tasks(database, now=watch)


@pytest.fixture
async def ann(database: Database) -> User:
    return await Users(database).add(
        name="Ann", address="ann@example.org", timezone="Europe/Berlin"
    )


@pytest.fixture
async def bob(database: Database) -> User:
    return await Users(database).add(name="Bob", address="bob@example.org", timezone="Asia/Tokyo")


async def failed_for(
    tasks: Tasks, database: Database, task: Task, error: str = "no answer"
) -> Task | None:
    assert task.occurrence is not None
    async with database.write() as session:
        return await tasks.runs.fail(session, task, task.occurrence, error)


async def reminder(tasks: Tasks, user: User, after: timedelta = HOUR) -> Task:
    return (await tasks.create_reminder(user, "Call Bob", NOW + after)).task


async def daily(tasks: Tasks, user: User) -> Task:
    return (await tasks.create_periodic_task(user, "Plan", "daily", {"hour": 12})).task


async def test_a_reminder_is_due_at_its_moment(tasks: Tasks, ann: User) -> None:
    task = await reminder(tasks, ann)

    assert (task.task_type, task.status) == (TaskType.REMINDER, TaskStatus.ACTIVE)
    assert (task.next_run_at, task.user_id) == (NOW + HOUR, ann.id)
    assert task.channels == ("in_app",)


async def test_a_moment_between_two_seconds_is_due_at_the_later_one(
    tasks: Tasks, ann: User
) -> None:
    task = await reminder(tasks, ann, after=timedelta(milliseconds=500))

    assert task.next_run_at == NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("kind", "config", "due"),
    [
        ("once", {"run_at": "2026-11-23T12:30"}, "2026-11-23T12:30"),
        ("daily", {"hour": 12}, "2026-11-23T12:00"),
        ("daily", {"hour": 10}, "2026-11-24T10:00"),
        ("weekly", {"weekdays": [0], "hour": 12}, "2026-11-23T12:00"),
        ("weekly", {"weekdays": [6]}, "2026-11-29T09:00"),
        ("monthly", {"day": 31}, "2026-11-30T09:00"),
        ("custom", {"cron": "*/20 * * * *"}, "2026-11-23T11:20"),
        ("custom", {"interval_minutes": 45}, "2026-11-23T11:45"),
    ],
)
async def test_a_task_is_due_by_its_schedule_in_its_users_zone(
    tasks: Tasks, ann: User, kind: str, config: dict[str, object], due: str
) -> None:
    created = await tasks.create_periodic_task(ann, "Plan", kind, config)

    assert created.task.next_run_at == datetime.fromisoformat(due).replace(tzinfo=BERLIN)
    assert created.task.timezone == "Europe/Berlin"


async def test_the_same_schedule_is_each_users_own_time(tasks: Tasks, ann: User, bob: User) -> None:
    anns, bobs = await daily(tasks, ann), await daily(tasks, bob)

    assert anns.next_run_at == datetime(2026, 11, 23, 12, tzinfo=BERLIN)
    assert bobs.next_run_at == datetime(2026, 11, 24, 12, tzinfo=ZoneInfo("Asia/Tokyo"))


async def test_a_repeat_under_one_key_finds_the_first_task(tasks: Tasks, ann: User) -> None:
    first = await tasks.create_reminder(ann, "Call Bob", NOW + HOUR, key="run-1")

    second = await tasks.create_reminder(ann, "Call Bob", NOW + HOUR, key="run-1")

    assert (first.is_new, second.is_new) == (True, False)
    assert second.task == first.task


async def test_a_reminder_asked_for_in_time_is_not_lost_by_a_slow_queue(
    tasks: Tasks, ann: User
) -> None:
    asked = NOW - timedelta(minutes=5)

    created = await tasks.create_reminder(ann, "Call Bob", asked + HOUR / 60, asked_at=asked)

    assert created.task.next_run_at == asked + HOUR / 60


async def test_words_make_a_task(tasks: Tasks, ann: User) -> None:
    heard = understand("tomorrow at 9 to call Bob", now=NOW, zone=BERLIN)
    assert isinstance(heard.schedule, Once)

    created = await tasks.create_reminder(ann, heard.text, heard.schedule.at)

    assert created.task.title == "call Bob"
    assert created.task.next_run_at == datetime(2026, 11, 24, 9, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("title", {"title": "  "}),
        ("title", {"title": "x" * 256}),
        ("title", {"title": "a\nBcc: eve"}),
        ("title", {"title": "a\0b"}),
        ("title", {"title": "\ud800"}),
        ("description", {"description": "\x1b[2J"}),
        ("description", {"description": "x" * 10**5}),
        ("channels", {"channels": ()}),
        ("remind_at", {"remind_at": NOW}),
        ("remind_at", {"remind_at": datetime(2027, 1, 1)}),
        ("run_at", {"remind_at": datetime.max.replace(tzinfo=UTC)}),
    ],
)
async def test_a_reminder_that_cannot_be_is_refused_by_field_and_not_stored(
    tasks: Tasks, ann: User, field: str, given: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"title": "Call", "remind_at": NOW + HOUR} | given

    with pytest.raises(BadField, match=f"^{field}: ") as refused:
        await tasks.create_reminder(ann, **asked)

    assert refused.value.field == field
    assert await tasks.of(ann.id) == ()


@pytest.mark.parametrize(
    ("field", "kind", "config"),
    [
        ("run_at", "once", {"run_at": "2020-01-01"}),
        ("schedule_type", "hourly", {}),
        ("hour", "daily", {"hour": 24}),
        ("weekdays", "weekly", {"weekdays": []}),
        ("day", "monthly", {"day": 32}),
        ("cron", "custom", {"cron": "* * 30 2 *"}),
        ("interval_minutes", "custom", {"interval_minutes": 0}),
    ],
)
async def test_a_task_on_a_schedule_that_cannot_be_is_refused_by_field_and_not_stored(
    tasks: Tasks, ann: User, field: str, kind: str, config: dict[str, object]
) -> None:
    with pytest.raises(BadField, match=f"^{field}: ") as refused:
        await tasks.create_periodic_task(ann, "Plan", kind, config)

    assert refused.value.field == field
    assert await tasks.of(ann.id) == ()


async def test_a_user_who_left_gets_no_tasks(tasks: Tasks, ann: User) -> None:
    with pytest.raises(BadTask, match=r"^user_id: "):
        await tasks.create_reminder(replace(ann, active=False), "Call", NOW + HOUR)


async def test_a_title_may_be_in_any_script(tasks: Tasks, ann: User) -> None:
    title = "Zoë anrufen 👩‍👩‍👧 שלום"

    created = await tasks.create_reminder(ann, f" {title} ", NOW + HOUR)

    assert created.task.title == title


async def test_a_user_cannot_reach_anothers_task(tasks: Tasks, ann: User, bob: User) -> None:
    task = await reminder(tasks, ann)

    for refused in (
        tasks.get(bob.id, task.id),
        tasks.pause(bob.id, task.id),
        tasks.resume(bob.id, task.id),
        tasks.delete(bob.id, task.id),
        tasks.change(bob, task.id, Changes(title="Mine")),
        tasks.change(bob, task.id, Changes(schedule=Daily(9, 0, zone=BERLIN))),
    ):
        with pytest.raises(UnknownTask):
            await refused

    assert await tasks.get(ann.id, task.id) == task
    assert await tasks.of(bob.id) == ()
    assert await tasks.statistics(bob.id) == TaskCounts()


async def test_a_task_is_changed_field_by_field(tasks: Tasks, ann: User) -> None:
    task = await daily(tasks, ann)

    changed = await tasks.change(
        ann, task.id, Changes(title=" Tidy ", channels=(Channel.EMAIL, Channel.EMAIL))
    )

    assert changed == replace(
        task, title="Tidy", channels=("email",), updated_at=changed.updated_at
    )


async def test_another_schedule_starts_now(tasks: Tasks, ann: User) -> None:
    task = await reminder(tasks, ann)
    await tasks.runs.promise(Occurrence.of(task.id, NOW + HOUR))

    changed = await tasks.change(ann, task.id, Changes(schedule=Daily(13, 0, zone=BERLIN)))

    assert changed.next_run_at == datetime(2026, 11, 23, 13, tzinfo=BERLIN)
    assert (changed.schedule_type, changed.schedule_config) == ("daily", {"hour": 13, "minute": 0})
    assert (changed.run_id, changed.claimed_until) == (None, None)


async def test_a_bad_change_changes_nothing(tasks: Tasks, ann: User) -> None:
    task = await reminder(tasks, ann)

    with pytest.raises(BadTask, match=r"^schedule: "):
        await tasks.change(ann, task.id, Changes(title="New", schedule=Once(NOW)))

    assert await tasks.get(ann.id, task.id) == task


async def test_a_paused_task_keeps_resting_under_another_schedule(tasks: Tasks, ann: User) -> None:
    task = await daily(tasks, ann)
    await tasks.pause(ann.id, task.id)

    changed = await tasks.change(ann, task.id, Changes(schedule=Daily(13, 0, zone=BERLIN)))

    assert changed.status is TaskStatus.PAUSED


async def test_a_completed_task_is_revived_by_another_schedule(
    tasks: Tasks, ann: User, watch: Clock
) -> None:
    task = await over(tasks, await reminder(tasks, ann), watch)

    changed = await tasks.change(ann, task.id, Changes(schedule=Once(watch.time + HOUR)))

    assert (changed.status, changed.next_run_at) == (TaskStatus.ACTIVE, watch.time + HOUR)


async def over(tasks: Tasks, task: Task, watch: Clock) -> Task:
    """The task after its next run."""
    occurrence = task.occurrence
    assert occurrence is not None
    watch.time = occurrence.due_at
    begun = await tasks.runs.begin(occurrence)
    assert begun is not None
    await tasks.runs.answer(occurrence, result="done", method="rules")
    finished = await tasks.runs.finish(begun, occurrence)
    assert finished is not None
    return finished


async def test_a_reminder_is_completed_by_its_run(tasks: Tasks, ann: User, watch: Clock) -> None:
    task = await over(tasks, await reminder(tasks, ann), watch)

    assert (task.status, task.next_run_at) == (TaskStatus.COMPLETED, None)
    assert (task.last_result, task.last_run_at) == ("done", watch.time)


async def test_a_recurring_task_stays_active_and_is_due_again(
    tasks: Tasks, ann: User, watch: Clock
) -> None:
    task = await over(tasks, await daily(tasks, ann), watch)

    assert (task.status, task.next_run_at) == (
        TaskStatus.ACTIVE,
        datetime(2026, 11, 24, 12, tzinfo=BERLIN),
    )


async def test_a_late_run_is_followed_by_one_in_the_future(
    tasks: Tasks, ann: User, watch: Clock
) -> None:
    task = await daily(tasks, ann)
    watch.time += timedelta(days=3)
    assert task.occurrence is not None

    finished = await tasks.runs.finish(task, task.occurrence)

    assert finished is not None
    assert finished.next_run_at == datetime(2026, 11, 26, 12, tzinfo=BERLIN)


async def test_a_run_after_its_time_was_changed_changes_nothing(
    tasks: Tasks, database: Database, ann: User
) -> None:
    task = await daily(tasks, ann)
    assert task.occurrence is not None
    changed = await tasks.change(ann, task.id, Changes(schedule=Daily(13, 0, zone=BERLIN)))

    assert await tasks.runs.begin(task.occurrence) is None
    assert await failed_for(tasks, database, task, "late") is None
    assert await tasks.get(ann.id, task.id) == changed


async def test_a_failure_of_a_one_off_is_the_tasks(
    tasks: Tasks, database: Database, ann: User
) -> None:
    task = await reminder(tasks, ann)
    assert task.occurrence is not None

    failed = await failed_for(tasks, database, task, "no answer")

    assert failed is not None
    assert (failed.status, failed.last_error) == (TaskStatus.FAILED, "no answer")


@pytest.mark.parametrize("broken", [{"hour": 99}, {"hours": 9}])
async def test_a_stored_schedule_that_cannot_be_read_fails_its_task_in_words(
    tasks: Tasks, ann: User, broken: dict[str, Any]
) -> None:
    task = replace(await daily(tasks, ann), schedule_config=broken)
    assert task.occurrence is not None

    failed = await tasks.runs.finish(task, task.occurrence)

    assert failed is not None
    assert failed.status is TaskStatus.FAILED
    assert (failed.last_error or "").startswith("hour")


async def test_a_paused_task_is_not_due(tasks: Tasks, ann: User, watch: Clock) -> None:
    task = await daily(tasks, ann)
    watch.time += timedelta(days=2)

    paused = await tasks.pause(ann.id, task.id)

    assert paused.status is TaskStatus.PAUSED
    assert await tasks.runs.claim_due() == ()


async def test_a_resumed_task_goes_on_with_its_next_run(
    tasks: Tasks, ann: User, watch: Clock
) -> None:
    task = await daily(tasks, ann)
    await tasks.pause(ann.id, task.id)
    watch.time += timedelta(days=2)

    resumed = await tasks.resume(ann.id, task.id)

    assert (resumed.status, resumed.next_run_at) == (
        TaskStatus.ACTIVE,
        datetime(2026, 11, 25, 12, tzinfo=BERLIN)
        + timedelta(days=1 if watch.time.hour > 10 else 0),
    )


async def test_a_reminder_resumed_after_its_time_is_due_now(
    tasks: Tasks, ann: User, watch: Clock
) -> None:
    task = await reminder(tasks, ann)
    await tasks.pause(ann.id, task.id)
    watch.time += 2 * HOUR

    resumed = await tasks.resume(ann.id, task.id)

    assert resumed.next_run_at == watch.time


async def test_a_completed_task_cannot_be_resumed(tasks: Tasks, ann: User, watch: Clock) -> None:
    task = await over(tasks, await reminder(tasks, ann), watch)

    with pytest.raises(WrongStatus, match="give it another schedule"):
        await tasks.resume(ann.id, task.id)


async def test_statistics_count_what_is_in_the_database(
    tasks: Tasks, database: Database, ann: User, watch: Clock
) -> None:
    assert await tasks.statistics(ann.id) == TaskCounts()
    await over(tasks, await reminder(tasks, ann), watch)
    await daily(tasks, ann)
    await tasks.pause(ann.id, (await daily(tasks, ann)).id)
    one_off = (await tasks.create_reminder(ann, "Call", watch.time + HOUR)).task
    assert one_off.occurrence is not None
    await failed_for(tasks, database, one_off, "no answer")

    counts = await tasks.statistics(ann.id)

    assert counts == TaskCounts(active=1, paused=1, completed=1, failed=1)
    assert counts.success_rate == 50.0


async def test_a_resumed_task_begins_to_count_its_failures_anew(
    tasks: Tasks, database: Database, ann: User
) -> None:
    task = await daily(tasks, ann)
    for _ in range(PAUSE_AFTER):
        task = await failed_for(tasks, database, task) or task
    assert (task.status, task.failures) == (TaskStatus.PAUSED, PAUSE_AFTER)

    resumed = await tasks.resume(ann.id, task.id)

    assert (resumed.status, resumed.failures) == (TaskStatus.ACTIVE, 0)


async def test_a_task_runs_now_and_then_goes_on_by_its_schedule(
    tasks: Tasks, ann: User, watch: Clock
) -> None:
    task = await daily(tasks, ann)

    now = await tasks.run_now(ann.id, task.id)

    assert (now.next_run_at, now.status) == (watch.time, TaskStatus.ACTIVE)
    assert now.occurrence is not None
    finished = await tasks.runs.finish(now, now.occurrence)
    assert finished is not None
    assert finished.next_run_at == task.next_run_at


async def test_what_is_paused_or_due_already_is_not_run_now(
    tasks: Tasks, ann: User, bob: User, watch: Clock
) -> None:
    task, paused = await daily(tasks, ann), await daily(tasks, ann)
    await tasks.pause(ann.id, paused.id)

    with pytest.raises(WrongStatus, match="resume it first"):
        await tasks.run_now(ann.id, paused.id)
    with pytest.raises(UnknownTask):
        await tasks.run_now(bob.id, task.id)
    watch.time += timedelta(days=2)
    with pytest.raises(WrongStatus, match="as soon as there is a worker"):
        await tasks.run_now(ann.id, task.id)


async def test_a_completed_reminder_can_be_run_once_more(
    tasks: Tasks, ann: User, watch: Clock
) -> None:
    task = await over(tasks, await reminder(tasks, ann), watch)

    again = await tasks.run_now(ann.id, task.id)

    assert (again.status, again.next_run_at) == (TaskStatus.ACTIVE, watch.time)


async def test_statistics_of_a_broken_database_are_an_error_and_no_zeros(
    tasks: Tasks, database: Database, ann: User
) -> None:
    await daily(tasks, ann)
    async with database.write() as session:
        await session.execute(text("DROP TABLE ai_task_log"))
        await session.execute(text("DROP TABLE ai_tasks"))

    with pytest.raises(OperationalError):
        await tasks.statistics(ann.id)
    with pytest.raises(OperationalError):
        await tasks.log.performance(ann.id)
