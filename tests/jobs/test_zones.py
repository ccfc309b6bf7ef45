"""Users who move to another zone find their recurring tasks at the time of the day there."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.context import Context
from app.engine import ManualClock, RunStatus, hours
from app.jobs.ai import create_periodic_task, create_reminder, process_due_tasks
from app.jobs.ai_results import TaskCreated
from app.services.recurrence import Daily
from app.services.tasks import Changes
from app.storage.task import Task, TaskStatus
from app.storage.users import User
from tests.jobs.ai_bench import at_attempt, due, notices, task_of
from tests.jobs.phones import other_run

VILNIUS, NEW_YORK = ZoneInfo("Europe/Vilnius"), ZoneInfo("America/New_York")
BEFORE = datetime(2027, 3, 12, 12, 0, tzinfo=UTC)
"""Two days before the clocks change in New York, two weeks before they do in Vilnius."""


@pytest.fixture
async def ann(context: Context, owner: User, clock: ManualClock) -> User:
    clock.advance(BEFORE - clock.now())
    return await context.users.change(owner.id, timezone=VILNIUS.key)


@pytest.fixture
async def daily(context: Context, ann: User) -> TaskCreated:
    return await create_periodic_task(context, ann.id, "Stretch", "daily", {"hour": 9})


async def moved(context: Context, user: User) -> None:
    await context.users.change(user.id, timezone=NEW_YORK.key)
    await process_due_tasks(context)


def wall(task: Task, zone: ZoneInfo) -> str:
    assert task.next_run_at is not None
    return f"{task.next_run_at.astimezone(zone):%m-%d %H:%M %z}"


async def test_a_daily_task_follows_over_the_change_of_the_clocks(
    context: Context, ann: User, daily: TaskCreated, clock: ManualClock
) -> None:
    first = await task_of(context, daily)
    assert wall(first, VILNIUS) == "03-13 09:00 +0200"

    await moved(context, ann)

    task, walls = await task_of(context, daily), list[str]()
    assert task.run_id is not None
    assert await context.client.run(task.run_id).status() is RunStatus.DEFERRED
    for _ in range(3):
        walls.append(wall(task, NEW_YORK))
        assert task.next_run_at is not None
        clock.advance(task.next_run_at - clock.now())
        now = TaskCreated(
            task_id=task.id,
            title=task.title,
            next_run_at=task.next_run_at,
            run_id=task.run_id,
            is_new=False,
        )
        await due(context, now)
        task = await task_of(context, daily)
    assert walls == ["03-12 09:00 -0500", "03-13 09:00 -0500", "03-14 09:00 -0400"]
    assert len(await notices(context, ann)) == 3


async def test_the_run_at_the_old_time_finds_nothing_to_do(
    context: Context, ann: User, daily: TaskCreated, clock: ManualClock
) -> None:
    await moved(context, ann)
    clock.advance(hours(1))

    old = await due(context, daily)

    assert old.reason == "the task is no longer due at this time"
    assert await notices(context, ann) == []


async def test_what_is_by_no_wall_or_has_a_zone_of_its_own_stays_at_its_time(
    context: Context, ann: User, clock: ManualClock
) -> None:
    at = clock.now() + hours(30)
    reminder = await create_reminder(context, ann.id, "Call Bob", at)
    often = await create_periodic_task(
        other_run(context, "run-2"), ann.id, "Water", "custom", {"interval_minutes": 90}
    )
    own = await create_periodic_task(
        other_run(context, "run-3"), ann.id, "Market", "daily", {"hour": 9}
    )
    tokyo = Daily(9, 0, zone=ZoneInfo("Asia/Tokyo"))
    await context.tasks.change(ann, own.task_id, Changes(schedule=tokyo))
    made = (reminder, often, own)
    before = [(await task_of(context, each)).next_run_at for each in made]

    await moved(context, ann)

    after = [await task_of(context, each) for each in made]
    assert [each.next_run_at for each in after] == before
    assert [each.timezone for each in after] == [NEW_YORK.key, NEW_YORK.key, "Asia/Tokyo"]


async def test_what_is_due_has_its_turn_before_it_follows(
    context: Context, ann: User, daily: TaskCreated, clock: ManualClock
) -> None:
    assert daily.next_run_at is not None
    clock.advance(daily.next_run_at - clock.now() + timedelta(seconds=1))
    await moved(context, ann)
    assert (await task_of(context, daily)).timezone == VILNIUS.key
    await due(context, daily)

    await process_due_tasks(at_attempt(context, "run-2"))

    assert len(await notices(context, ann)) == 1
    assert wall(await task_of(context, daily), NEW_YORK) == "03-13 09:00 -0500"


async def test_a_paused_task_follows_and_stays_paused(
    context: Context, ann: User, daily: TaskCreated
) -> None:
    await context.tasks.pause(ann.id, daily.task_id)

    await moved(context, ann)

    task = await task_of(context, daily)
    assert (task.status, task.run_id, task.timezone) == (
        TaskStatus.PAUSED,
        None,
        NEW_YORK.key,
    )
