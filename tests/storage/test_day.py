from datetime import timedelta

import pytest

from app.storage.claims import Claims
from app.storage.database import Database
from app.storage.day import Day, TaskOfDay
from app.storage.task import Occurrence
from app.storage.task_log import TaskEnding, TaskLogged
from app.storage.tasks import TaskStore
from tests.storage.new_tasks import DUE, add_user, new_task

TOMORROW = DUE + timedelta(days=1)
DONE = TaskLogged(ending=TaskEnding.EXECUTED, ended_at=DUE, method="rules")
FAILED = TaskLogged(ending=TaskEnding.FAILED, ended_at=TOMORROW, error="no model answers")


@pytest.fixture
async def day(database: Database) -> Day:
    """Of a user with a task that was carried out when it was due."""
    ann, claims = await add_user(database), Claims(database)
    task, _ = await TaskStore(database).add(new_task(ann))
    today = Occurrence.of(task.id, DUE)
    await claims.answer(today, result="All of them.", logged=DONE)
    await claims.finish(today, next_run_at=TOMORROW, at=DUE)
    return Day(database, ann.id)


async def test_what_was_carried_out_is_done_with_what_came_of_it(day: Day) -> None:
    done = await day.tasks_done(DUE)

    assert done == (TaskOfDay(title="Water the plants", at=DUE, result="All of them."),)
    assert await day.tasks_done(DUE + timedelta(seconds=1)) == ()


async def test_what_failed_is_not_told_as_done(day: Day, database: Database) -> None:
    (task,) = await day.tasks_due(TOMORROW, TOMORROW + timedelta(hours=1))
    assert task.title == "Water the plants"
    async with database.write() as session:
        await Claims(database).fail(
            session,
            Occurrence.of(1, TOMORROW),
            logged=FAILED,
            next_run_at=TOMORROW + timedelta(days=1),
            pause_after=5,
        )

    assert await day.tasks_done(TOMORROW) == ()
