"""The log of tasks' runs: a line an occurrence, figures of a user's tasks, and the sweep."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.storage.database import Database
from app.storage.task import Occurrence, Task, TaskStatus, TaskType
from app.storage.task_log import Old, Performance, TaskEnding, TaskLog, TaskLogged, log_occurrence
from app.storage.tasks import TaskStore
from app.storage.users import User
from tests.storage.new_tasks import DUE, add_user, new_task

HOUR = timedelta(hours=1)


@pytest.fixture
async def ann(database: Database) -> User:
    return await add_user(database)


@pytest.fixture
async def task(database: Database, ann: User) -> Task:
    return (await TaskStore(database).add(new_task(ann)))[0]


def executed(at: datetime = DUE, *, took_ms: int = 10, tokens: int = 0) -> TaskLogged:
    return TaskLogged(
        ending=TaskEnding.EXECUTED, ended_at=at, method="rules", tokens=tokens, took_ms=took_ms
    )


def failed(at: datetime = DUE) -> TaskLogged:
    return TaskLogged(ending=TaskEnding.FAILED, ended_at=at, error="no answer")


async def log(database: Database, task: Task, *lines: TaskLogged) -> None:
    """Write a line for each, an hour apart."""
    async with database.write() as session:
        for n, line in enumerate(lines):
            await log_occurrence(session, Occurrence.of(task.id, DUE + n * HOUR), line)


async def test_an_occurrence_has_one_line_its_last(
    database: Database, ann: User, task: Task
) -> None:
    await log(database, task, failed(), executed())
    await log(database, task, executed(tokens=7))

    assert await TaskLog(database).of(ann.id, task.id) == (executed(), executed(tokens=7))


async def test_a_line_is_shown_to_its_tasks_user_only(
    database: Database, ann: User, task: Task
) -> None:
    bob = await add_user(database, "Bob")
    await log(database, task, executed())

    assert len(await TaskLog(database).of(ann.id, task.id)) == 1
    assert await TaskLog(database).of(bob.id, task.id) == ()
    assert await TaskLog(database).performance(bob.id) == ()


async def test_performance_is_told_by_type(database: Database, ann: User, task: Task) -> None:
    reminder, _ = await TaskStore(database).add(new_task(ann, task_type=TaskType.REMINDER))
    await log(database, task, *(executed(took_ms=ms, tokens=2) for ms in range(1, 101)), failed())
    await log(database, reminder, failed())

    found = await TaskLog(database).performance(ann.id)

    assert found == (
        Performance(
            task_type=TaskType.PERIODIC,
            runs=101,
            failed=1,
            mean_ms=50.5,
            p95_ms=95,
            longest_ms=100,
            tokens=200,
        ),
        Performance(
            task_type=TaskType.REMINDER,
            runs=1,
            failed=1,
            mean_ms=0.0,
            p95_ms=0,
            longest_ms=0,
            tokens=0,
        ),
    )
    assert [round(each.success_rate) for each in found] == [99, 0]


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(deadline=None)
def test_a_success_rate_is_a_percentage(good: int, bad: int) -> None:
    seen = Performance(
        task_type=TaskType.PERIODIC,
        runs=good + bad,
        failed=bad,
        mean_ms=0,
        p95_ms=0,
        longest_ms=0,
        tokens=0,
    )

    assert seen.success_rate == (100 * good / (good + bad) if good + bad else 0)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_only_lines_past_their_time_are_cleaned(
    database: Database, ann: User, task: Task, dry_run: bool
) -> None:
    moment = timedelta(microseconds=1)
    await log(database, task, executed(DUE - moment), executed(DUE), executed(DUE + moment))

    old = await TaskLog(database).clean(DUE, dry_run=dry_run)

    assert old == Old(lines=1, tasks=0)
    left = await TaskLog(database).of(ann.id, task.id)
    assert len(left) == (3 if dry_run else 2)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_tasks_that_are_over_go_and_those_that_live_stay(
    database: Database, ann: User, dry_run: bool
) -> None:
    now = [DUE]
    store = TaskStore(database, now=lambda: now[0])
    for status in TaskStatus:
        added, _ = await store.add(new_task(ann))
        due = None if status is TaskStatus.COMPLETED else DUE
        await store.change(ann.id, added.id, {"status": status, "next_run_at": due})

    kept = await TaskLog(database).clean(DUE, dry_run=dry_run)
    old = await TaskLog(database).clean(DUE + timedelta(microseconds=1), dry_run=dry_run)

    assert (kept.tasks, old.tasks) == (0, 2)
    left = {each.status for each in await store.of(ann.id)}
    assert left == (set(TaskStatus) if dry_run else {TaskStatus.ACTIVE, TaskStatus.PAUSED})
