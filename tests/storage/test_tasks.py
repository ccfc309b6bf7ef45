from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from app.storage.database import Database
from app.storage.task import TaskCounts, TaskStatus, TaskType, UnknownTask, WrongStatus
from app.storage.tasks import TaskRow, TaskStore
from app.storage.users import User
from tests.storage.new_tasks import DUE, add_user, new_task


@pytest.fixture
async def ann(database: Database) -> User:
    return await add_user(database)


@pytest.fixture
async def bob(database: Database) -> User:
    return await add_user(database, "Bob")


@pytest.fixture
def store(database: Database) -> TaskStore:
    return TaskStore(database, now=lambda: DUE - timedelta(days=1))


async def test_a_task_comes_back_as_it_was_stored(store: TaskStore, ann: User) -> None:
    new = new_task(ann, title="Café ☕", schedule_config={"weekdays": [0, 4]}, channels=("sms",))

    task, is_new = await store.add(new)

    assert is_new
    assert task == await store.get(ann.id, task.id)
    assert (task.title, task.channels, task.status) == ("Café ☕", ("sms",), TaskStatus.ACTIVE)
    assert (task.schedule_config, task.next_run_at) == ({"weekdays": [0, 4]}, DUE)
    assert (task.created_at, task.updated_at) == (DUE - timedelta(days=1), DUE - timedelta(days=1))


async def test_a_task_is_stored_once_under_its_key(store: TaskStore, ann: User) -> None:
    first, _ = await store.add(new_task(ann), key="run-1")

    second, is_new = await store.add(new_task(ann, title="Another"), key="run-1")

    assert (second, is_new) == (first, False)
    assert len(await store.of(ann.id)) == 1


async def test_tasks_without_a_key_are_all_stored(store: TaskStore, ann: User) -> None:
    for _ in range(2):
        await store.add(new_task(ann))

    assert len(await store.of(ann.id)) == 2


async def test_anothers_task_does_not_exist(store: TaskStore, ann: User, bob: User) -> None:
    task, _ = await store.add(new_task(ann), key="run-1")

    for refused in (
        store.get(bob.id, task.id),
        store.change(bob.id, task.id, {"title": "Mine now"}),
        store.delete(bob.id, task.id),
    ):
        with pytest.raises(UnknownTask, match=f"there is no task {task.id}"):
            await refused
    _, is_new = await store.add(new_task(bob), key="run-1")

    assert is_new
    assert await store.get(ann.id, task.id) == task
    assert [each.user_id for each in await store.of(bob.id)] == [bob.id]
    assert await store.counts(bob.id) == TaskCounts(active=1)


async def test_tasks_are_listed_by_status_and_type_the_soonest_first(
    store: TaskStore, ann: User
) -> None:
    late, _ = await store.add(new_task(ann, next_run_at=DUE + timedelta(days=1)))
    soon, _ = await store.add(new_task(ann, task_type=TaskType.REMINDER))
    over, _ = await store.add(new_task(ann))
    over = await store.change(
        ann.id, over.id, {"status": TaskStatus.COMPLETED, "next_run_at": None}
    )

    assert await store.of(ann.id) == (soon, late, over)
    assert await store.of(ann.id, limit=1) == (soon,)
    assert await store.of(ann.id, status=TaskStatus.ACTIVE) == (soon, late)
    assert await store.of(ann.id, task_type=TaskType.REMINDER) == (soon,)
    assert await store.counts(ann.id) == TaskCounts(active=2, completed=1)


async def test_a_status_changes_by_legal_steps_only(store: TaskStore, ann: User) -> None:
    task, _ = await store.add(new_task(ann))
    await store.change(ann.id, task.id, {"status": TaskStatus.COMPLETED, "next_run_at": None})

    with pytest.raises(WrongStatus, match="a task that is completed can't become paused"):
        await store.change(ann.id, task.id, {"status": TaskStatus.PAUSED})

    assert (await store.get(ann.id, task.id)).status is TaskStatus.COMPLETED


async def test_a_change_from_one_status_is_refused_in_any_other(
    store: TaskStore, ann: User
) -> None:
    task, _ = await store.add(new_task(ann))

    with pytest.raises(WrongStatus):
        await store.change(
            ann.id, task.id, {"status": TaskStatus.ACTIVE}, leaving=TaskStatus.PAUSED
        )


async def test_a_deleted_task_is_gone(store: TaskStore, ann: User) -> None:
    task, _ = await store.add(new_task(ann))

    await store.delete(ann.id, task.id)

    with pytest.raises(UnknownTask):
        await store.get(ann.id, task.id)


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"title": "x" * 256},
        {"failures": -1},
        {"next_run_at": None},  # of an active task
        {"run_id": "task-1"},  # without a claim
        {"claimed_until": DUE},  # nobody's
        {"user_id": 999},
    ],
)
async def test_the_database_refuses_what_cannot_be(
    database: Database, store: TaskStore, ann: User, changes: dict[str, Any]
) -> None:
    task, _ = await store.add(new_task(ann))

    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await session.execute(update(TaskRow).filter_by(id=task.id).values(**changes))


@pytest.mark.parametrize("column", ["status", "task_type", "schedule_type"])
async def test_the_database_knows_one_vocabulary(
    database: Database, store: TaskStore, ann: User, column: str
) -> None:
    await store.add(new_task(ann))

    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await session.execute(text(f"UPDATE ai_tasks SET {column} = 'processing'"))


async def test_a_naive_time_is_refused(store: TaskStore, ann: User) -> None:
    with pytest.raises(Exception, match="has no time zone"):
        await store.add(new_task(ann, next_run_at=datetime(2026, 11, 23, 8)))
