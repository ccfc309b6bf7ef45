from datetime import datetime, timedelta

import anyio
import pytest

from app.storage.claims import Claims
from app.storage.database import Database
from app.storage.task import Occurrence, Task, TaskStatus
from app.storage.task_log import TaskEnding, TaskLogged
from app.storage.tasks import TaskStore
from app.storage.users import User
from tests.storage.new_tasks import DUE, add_user, new_task

LATER = DUE + timedelta(minutes=10)  # when claims taken at DUE lapse
LOGGED = TaskLogged(ending=TaskEnding.EXECUTED, ended_at=DUE, method="rules")
TOMORROW = DUE + timedelta(days=1)


@pytest.fixture
async def ann(database: Database) -> User:
    return await add_user(database)


@pytest.fixture
def store(database: Database) -> TaskStore:
    return TaskStore(database)


@pytest.fixture
def claims(database: Database) -> Claims:
    return Claims(database)


@pytest.fixture
async def task(store: TaskStore, ann: User) -> Task:
    return (await store.add(new_task(ann)))[0]


@pytest.fixture
def usual(task: Task) -> Occurrence:
    return Occurrence.of(task.id, DUE)


async def fail(
    database: Database,
    occurrence: Occurrence,
    error: str,
    next_run_at: datetime | None,
    *,
    pause_after: int = 5,
) -> Task | None:
    """Close an occurrence as failed."""
    logged = TaskLogged(ending=TaskEnding.FAILED, ended_at=DUE, error=error)
    async with database.write() as session:
        return await Claims(database).fail(
            session, occurrence, logged=logged, next_run_at=next_run_at, pause_after=pause_after
        )


async def claim(claims: Claims, now: datetime = DUE, *, limit: int = 50) -> tuple[Task, ...]:
    return await claims.claim_due(now=now, until=now + timedelta(minutes=10), limit=limit)


async def test_only_active_tasks_that_are_due_are_claimed(
    claims: Claims, store: TaskStore, ann: User, task: Task
) -> None:
    await store.add(new_task(ann, next_run_at=DUE + timedelta(seconds=1)))
    paused, _ = await store.add(new_task(ann))
    await store.change(ann.id, paused.id, {"status": TaskStatus.PAUSED})

    (claimed,) = await claim(claims)

    assert (claimed.id, claimed.run_id, claimed.claimed_until) == (
        task.id,
        "task-1-20261123T080000Z",
        LATER,
    )


async def test_the_longest_due_are_claimed_first(
    claims: Claims, store: TaskStore, ann: User, task: Task
) -> None:
    older, _ = await store.add(new_task(ann, next_run_at=DUE - timedelta(hours=1)))

    first, second = await claim(claims, limit=1), await claim(claims, limit=1)

    assert [each.id for each in (*first, *second)] == [older.id, task.id]


async def test_a_task_is_claimed_by_one_caller(claims: Claims, store: TaskStore, ann: User) -> None:
    for _ in range(100):
        await store.add(new_task(ann))
    found: list[int] = []

    async def take_all() -> None:
        while batch := await claim(claims, limit=7):
            found.extend(each.id for each in batch)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(take_all)

    assert sorted(found) == list(range(1, 101))


async def test_a_claim_that_has_lapsed_is_taken_over(claims: Claims, task: Task) -> None:
    await claim(claims)

    early, in_time = await claim(claims, LATER - timedelta(seconds=1)), await claim(claims, LATER)

    assert (early, [each.id for each in in_time]) == ((), [task.id])


async def test_a_released_claim_is_found_again(claims: Claims, usual: Occurrence) -> None:
    await claim(claims)

    await claims.release([usual])

    assert len(await claim(claims)) == 1


async def test_another_runs_claim_is_not_released(claims: Claims, usual: Occurrence) -> None:
    await claim(claims)

    await claims.release([usual.again()])

    assert await claim(claims) == ()


async def test_a_task_promised_to_a_run_is_not_due_for_others(
    claims: Claims, usual: Occurrence
) -> None:
    assert await claims.promise(usual, until=LATER)

    assert await claim(claims) == ()


async def test_a_promise_for_another_time_changes_nothing(claims: Claims, task: Task) -> None:
    assert not await claims.promise(Occurrence.of(task.id, TOMORROW), until=LATER)

    assert await claims.find(task.id) == task


async def test_a_paused_task_is_promised_to_no_run(
    claims: Claims, store: TaskStore, task: Task, usual: Occurrence
) -> None:
    paused = await store.change(task.user_id, task.id, {"status": TaskStatus.PAUSED})

    assert not await claims.promise(usual, until=LATER)

    assert await claims.find(task.id) == paused


async def test_a_run_begins_its_occurrence_and_may_begin_it_again(
    claims: Claims, usual: Occurrence
) -> None:
    first = await claims.begin(usual, now=DUE, until=LATER)
    again = await claims.begin(usual, now=DUE, until=LATER + timedelta(minutes=1))

    assert first is not None
    assert again is not None
    assert (first.run_id, first.claimed_until) == (usual.run_id, LATER)
    assert again.claimed_until == LATER + timedelta(minutes=1)


async def test_an_occurrence_is_begun_by_one_run_while_its_claim_lasts(
    claims: Claims, usual: Occurrence
) -> None:
    await claims.begin(usual, now=DUE, until=LATER)

    assert await claims.begin(usual.again(), now=DUE, until=LATER) is None
    assert await claims.begin(usual.again(), now=LATER, until=LATER) is not None


@pytest.mark.parametrize("status", [TaskStatus.PAUSED, TaskStatus.COMPLETED])
async def test_a_task_that_rests_is_not_begun(
    claims: Claims, store: TaskStore, task: Task, usual: Occurrence, status: TaskStatus
) -> None:
    due = None if status is TaskStatus.COMPLETED else DUE
    await store.change(task.user_id, task.id, {"status": status, "next_run_at": due})

    assert await claims.begin(usual, now=DUE, until=LATER) is None


async def test_a_finished_occurrence_is_over_for_good(
    database: Database, claims: Claims, usual: Occurrence
) -> None:
    await claims.begin(usual, now=DUE, until=LATER)
    await claims.answer(usual, result="done", logged=LOGGED)

    finished = await claims.finish(usual, next_run_at=TOMORROW, at=DUE)

    assert finished is not None
    assert (finished.status, finished.next_run_at) == (TaskStatus.ACTIVE, TOMORROW)
    assert (finished.run_id, finished.claimed_until) == (None, None)
    assert (finished.last_result, finished.last_method, finished.answered_for) == (
        "done",
        "rules",
        DUE,
    )
    assert await claims.begin(usual, now=DUE, until=LATER) is None
    assert await claims.answer(usual, result="twice", logged=LOGGED) is None
    assert await claims.finish(usual, next_run_at=None, at=DUE) is None
    assert await fail(database, usual, "late", None) is None
    assert await claims.find(usual.task_id) == finished


async def test_a_task_without_a_next_run_is_completed(claims: Claims, usual: Occurrence) -> None:
    finished = await claims.finish(usual, next_run_at=None, at=DUE)

    assert finished is not None
    assert (finished.status, finished.next_run_at) == (TaskStatus.COMPLETED, None)


async def test_a_recurring_task_outlives_a_failure(database: Database, usual: Occurrence) -> None:
    failed = await fail(database, usual, "no answer", TOMORROW)

    assert failed is not None
    assert (failed.status, failed.next_run_at) == (TaskStatus.ACTIVE, TOMORROW)
    assert (failed.last_error, failed.failures) == ("no answer", 1)


async def test_failures_are_counted_until_a_run_goes_well(
    database: Database, claims: Claims, usual: Occurrence
) -> None:
    await fail(database, usual, "no answer", TOMORROW)
    second = Occurrence.of(usual.task_id, TOMORROW)
    failed = await fail(database, second, "again", LATER)
    finished = await claims.finish(
        Occurrence.of(usual.task_id, LATER), next_run_at=TOMORROW, at=DUE
    )

    assert failed is not None
    assert finished is not None
    assert (failed.failures, finished.failures, finished.last_error) == (2, 0, None)


async def test_a_failed_one_off_is_not_finished_or_failed_again(
    database: Database, claims: Claims, usual: Occurrence
) -> None:
    failed = await fail(database, usual, "no answer", None)

    assert await fail(database, usual, "again", None) is None
    assert await claims.answer(usual, result="late", logged=LOGGED) is None
    assert await claims.finish(usual, next_run_at=None, at=DUE) is None
    assert await claims.find(usual.task_id) == failed


async def test_a_failed_one_off_can_be_retried_by_another_run_only(
    database: Database, claims: Claims, usual: Occurrence
) -> None:
    await claims.begin(usual, now=DUE, until=LATER)
    failed = await fail(database, usual, "no answer", None)

    assert failed is not None
    assert (failed.status, failed.next_run_at) == (TaskStatus.FAILED, DUE)
    assert await claims.begin(usual, now=LATER, until=LATER) is None
    assert await claim(claims, LATER) == ()
    retried = await claims.begin(usual.again(), now=LATER, until=LATER)
    assert retried is not None
    assert retried.status is TaskStatus.ACTIVE


async def test_a_pause_in_the_middle_of_a_run_outlives_it(
    claims: Claims, store: TaskStore, task: Task, usual: Occurrence
) -> None:
    await claims.begin(usual, now=DUE, until=LATER)
    rest = {"status": TaskStatus.PAUSED, "run_id": None, "claimed_until": None}
    await store.change(task.user_id, task.id, rest)

    answered = await claims.answer(usual, result="done", logged=LOGGED)
    finished = await claims.finish(usual, next_run_at=TOMORROW, at=DUE)

    assert answered is not None
    assert finished is not None
    assert (finished.status, finished.next_run_at) == (TaskStatus.PAUSED, TOMORROW)


async def test_a_deleted_task_has_nothing_to_run(
    claims: Claims, store: TaskStore, task: Task, usual: Occurrence
) -> None:
    await store.delete(task.user_id, task.id)

    assert await claims.find(task.id) is None
    assert await claims.begin(usual, now=DUE, until=LATER) is None


async def test_a_recurring_task_is_paused_by_its_last_failure_in_a_row(
    database: Database, claims: Claims, usual: Occurrence
) -> None:
    second = Occurrence.of(usual.task_id, TOMORROW)

    first = await fail(database, usual, "no answer", TOMORROW, pause_after=2)
    paused = await fail(database, second, "again", LATER, pause_after=2)

    assert first is not None
    assert paused is not None
    assert (first.status, paused.status) == (TaskStatus.ACTIVE, TaskStatus.PAUSED)
    assert (paused.failures, paused.next_run_at, paused.run_id) == (2, LATER, None)
    assert await claim(claims, LATER) == ()


async def test_a_one_off_fails_and_is_never_paused(database: Database, usual: Occurrence) -> None:
    failed = await fail(database, usual, "no answer", None, pause_after=1)

    assert failed is not None
    assert failed.status is TaskStatus.FAILED
