"""The minute's look at what is due: found, claimed, enqueued and executed once."""

import shutil
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings
from sqlalchemy.exc import OperationalError

from app.context import Context, Services
from app.engine import Client, Codec, ManualClock, RunStatus, Unavailable, minutes, seconds, wire
from app.engine.redis import keys
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from app.jobs import JOBS
from app.jobs.ai import create_reminder, process_due_tasks, run_task
from app.jobs.ai_results import BatchStatus, DueTasks, TaskRunStatus
from app.services.ai import (
    AiRequest,
    Answer,
    Keep,
    RefusedByAssistant,
    ScriptedAssistant,
    kept_nowhere,
)
from app.services.task_runs import CLAIM
from app.services.tasks import Tasks
from app.storage.database import Database
from app.storage.task import Task, TaskStatus
from app.storage.tasks import TaskStore
from app.storage.users import User, Users
from tests.eventually import eventually
from tests.jobs.ai_bench import at_attempt, notices, waiting
from tests.jobs.working import working
from tests.rights import asked


async def forgotten(context: Context, owner: User, count: int = 1) -> list[Task]:
    """Reminders that are due now, and whose runs nobody has enqueued."""
    now = context.tasks.runs.now()
    created = [
        await context.tasks.create_reminder(
            owner, f"Task {n}", now - seconds(1), asked_at=now - minutes(1)
        )
        for n in range(count)
    ]
    return [each.task for each in created]


def run_id_of(task: Task) -> str:
    assert task.occurrence is not None
    return task.occurrence.run_id


async def current(context: Context, task: Task) -> Task:
    return await context.tasks.get(task.user_id, task.id)


async def test_due_tasks_that_have_no_run_are_enqueued(context: Context, owner: User) -> None:
    tasks = await forgotten(context, owner, 3)

    look = await process_due_tasks(context)

    assert look == DueTasks(found=3, enqueued=3, failed_to_enqueue=0, lost=0)
    assert look.status is BatchStatus.SUCCESS
    assert (await waiting(context)).keys() == {run_id_of(each) for each in tasks}
    assert (await current(context, tasks[0])).run_id == run_id_of(tasks[0])


async def test_nothing_due_is_nothing_found(
    context: Context, owner: User, clock: ManualClock
) -> None:
    await create_reminder(context, owner.id, "Later", clock.now() + minutes(5))

    assert await process_due_tasks(context) == DueTasks(
        found=0, enqueued=0, failed_to_enqueue=0, lost=0
    )


async def test_a_task_whose_run_is_on_its_way_is_not_due_again(
    context: Context, owner: User, clock: ManualClock
) -> None:
    await create_reminder(context, owner.id, "Soon", clock.now() + minutes(1))
    clock.advance(minutes(2))

    assert (await process_due_tasks(context)).found == 0


async def test_one_look_takes_more_than_one_batch(context: Context, owner: User) -> None:
    await forgotten(context, owner, 120)

    look = await process_due_tasks(context)

    assert (look.found, look.enqueued) == (120, 120)


async def test_an_enqueued_task_is_executed_and_its_owner_told(
    context: Context, services: Services, clean_redis: RedisSettings, owner: User
) -> None:
    (task,) = await forgotten(context, owner)

    async with working(services, clean_redis, JOBS):
        await process_due_tasks(context)
        (notice,) = await eventually(lambda: notices(context, owner))
        run = await context.client.run(run_id_of(task)).result(within=seconds(5))

    assert notice.body == "Reminder: Task 0"
    assert run["status"] == TaskRunStatus.EXECUTED
    assert (await current(context, task)).status is TaskStatus.COMPLETED


async def test_a_reminder_is_executed_at_its_moment_without_any_look(
    context: Context,
    services: Services,
    clean_redis: RedisSettings,
    owner: User,
    clock: ManualClock,
) -> None:
    async with working(services, clean_redis, JOBS):
        handle = await context.client.enqueue(
            create_reminder, owner.id, "Call Ann", clock.now() + minutes(30)
        )
        created = await handle.result(within=seconds(5))
        before = await notices(context, owner)
        clock.advance(minutes(30))
        (notice,) = await eventually(lambda: notices(context, owner))

    assert (created.is_new, before) == (True, [])
    assert notice.title == "Call Ann"


@pytest.fixture
async def five(
    context: Context, clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[list[Context]]:
    """The context as five workers have it: each with connections of its own."""
    async with AsyncExitStack() as stack:
        contexts: list[Context] = []
        for number in range(5):
            database = await stack.enter_async_context(Database.open(context.database.path))
            redis = await stack.enter_async_context(open_redis(clean_redis))
            contexts.append(
                at_attempt(
                    context,
                    f"look-{number}",
                    database=database,
                    client=Client(Store(redis, clock), codec),
                    tasks=Tasks(database, now=clock.now),
                )
            )
        yield contexts


async def test_five_workers_execute_each_of_200_due_tasks_once(
    context: Context,
    services: Services,
    clean_redis: RedisSettings,
    owner: User,
    five: list[Context],
) -> None:
    tasks = await forgotten(context, owner, 200)
    looks: list[DueTasks] = []
    assistant = ScriptedAssistant()

    async def look(ctx: Context) -> None:
        looks.append(await process_due_tasks(ctx))

    async with anyio.create_task_group() as group:
        for each in five:
            group.start_soon(look, each)
    async with working(replace(services, ai=assistant), clean_redis, JOBS):
        await eventually(lambda: all_over(context, owner, 200), within=seconds(40))

    assert sum(each.found for each in looks) == sum(each.enqueued for each in looks) == 200
    assert Counter(each.task_id for each in assistant.asked) == Counter(each.id for each in tasks)
    assert (await context.tasks.statistics(owner.id)).completed == 200


async def all_over(context: Context, owner: User, count: int) -> bool:
    return (await context.tasks.statistics(owner.id)).completed == count


async def test_a_claim_left_by_a_crash_is_found_after_its_lease(
    context: Context, owner: User, clock: ManualClock
) -> None:
    await forgotten(context, owner)
    await context.tasks.runs.claim_due()  # and the process ends here
    clock.advance(CLAIM - seconds(5))
    early = await process_due_tasks(context)
    clock.advance(seconds(10))

    look = await process_due_tasks(context)

    assert (early.found, look.found, look.enqueued) == (0, 1, 1)


async def test_a_task_whose_run_was_lost_with_its_queue_is_found_after_its_lease(
    context: Context, owner: User, clock: ManualClock
) -> None:
    created = await create_reminder(context, owner.id, "Call", clock.now() + minutes(1))
    await asked(context.client.store.redis, "FLUSHDB")
    clock.advance(minutes(2) + CLAIM)

    look = await process_due_tasks(context)

    assert look.enqueued == 1
    assert (await waiting(context)).keys() == {created.run_id}


async def test_a_run_that_waits_longer_than_its_claim_is_not_doubled(
    context: Context, owner: User, clock: ManualClock
) -> None:
    (task,) = await forgotten(context, owner)
    await process_due_tasks(context)
    clock.advance(CLAIM + seconds(1))

    look = await process_due_tasks(context)

    assert (look.found, look.enqueued) == (1, 1)
    assert (await waiting(context)).keys() == {run_id_of(task)}


async def test_one_task_that_cannot_be_enqueued_keeps_none_of_the_others(
    context: Context, owner: User
) -> None:
    tasks = await forgotten(context, owner, 3)
    broken = keys.dead_letter(run_id_of(tasks[1]))
    await context.client.store.redis.set(broken, "of another type: Redis refuses to read it")

    look = await process_due_tasks(context)

    assert look == DueTasks(found=3, enqueued=2, failed_to_enqueue=1, lost=0)
    assert look.status is BatchStatus.PARTIAL_SUCCESS
    await context.client.store.redis.delete(broken)
    assert await process_due_tasks(context) == DueTasks(
        found=1, enqueued=1, failed_to_enqueue=0, lost=0
    )


async def test_without_redis_the_look_fails_and_gives_all_claims_back(
    context: Context, owner: User, codec: Codec, clock: ManualClock, tmp_path: Path
) -> None:
    await forgotten(context, owner, 60)
    async with open_redis(RedisSettings(unix_socket_path=str(tmp_path / "nobody"))) as nowhere:
        client = Client(Store(nowhere, clock), codec, patience=timedelta(0))

        with pytest.raises(Unavailable):
            await process_due_tasks(replace(context, client=client))

    assert (await process_due_tasks(context)).enqueued == 60


async def test_without_its_tables_the_look_fails(
    context: Context, clock: ManualClock, tmp_path: Path
) -> None:
    async with Database.open(tmp_path / "empty.db") as empty:
        with pytest.raises(OperationalError):
            await process_due_tasks(replace(context, tasks=Tasks(empty, now=clock.now)))


async def test_a_task_whose_run_was_cancelled_is_counted_as_failed(
    context: Context, owner: User, clock: ManualClock
) -> None:
    created = await create_reminder(context, owner.id, "Call", clock.now() + minutes(1))
    assert created.run_id is not None
    await context.client.run(created.run_id).cancel()
    clock.advance(minutes(2) + CLAIM)

    look = await process_due_tasks(context)

    assert look == DueTasks(found=1, enqueued=0, failed_to_enqueue=0, lost=1)
    assert look.status is BatchStatus.PARTIAL_SUCCESS
    assert wire.unpack(wire.pack(look))["status"] == "partial_success"
    task = await context.tasks.get(owner.id, created.task_id)
    assert task.status is TaskStatus.FAILED
    assert task.last_error == f"its run {created.run_id} is cancelled"


async def test_a_task_whose_run_died_is_counted_as_failed(
    context: Context,
    services: Services,
    clean_redis: RedisSettings,
    owner: User,
    clock: ManualClock,
    migrated: Path,
    tmp_path: Path,
) -> None:
    (task,) = await forgotten(context, owner)
    shutil.copy(migrated, tmp_path / "nobody.db")
    async with Database.open(tmp_path / "nobody.db") as nobody:
        async with working(replace(services, users=Users(nobody)), clean_redis, JOBS):
            await process_due_tasks(context)
            await eventually(lambda: is_dead(context, run_id_of(task)))
    clock.advance(CLAIM + seconds(1))

    look = await process_due_tasks(context)

    assert look == DueTasks(found=1, enqueued=0, failed_to_enqueue=0, lost=1)
    failed = await current(context, task)
    assert (failed.status, failed.failures) == (TaskStatus.FAILED, 1)


async def test_a_task_whose_run_ended_without_seeing_to_it_gets_another(
    context: Context, services: Services, clean_redis: RedisSettings, owner: User
) -> None:
    (task,) = await forgotten(context, owner)
    await context.tasks.pause(owner.id, task.id)
    async with working(services, clean_redis, JOBS):
        usual = run_task.with_options(id=run_id_of(task))
        assert task.next_run_at is not None
        handle = await context.client.enqueue(usual, task.id, task.next_run_at)
        skipped = await handle.result(within=seconds(5))
        await come_back_at(context, task)

        look = await process_due_tasks(context)
        await eventually(lambda: notices(context, owner))

    assert (skipped.status, look.enqueued) == (TaskRunStatus.SKIPPED, 1)
    assert await context.client.run(run_id_of(task)).status() is RunStatus.SUCCEEDED


async def come_back_at(context: Context, task: Task) -> None:
    """Activate a paused task at the due time it had, as a restored backup would."""
    active: dict[str, Any] = {"status": TaskStatus.ACTIVE, "next_run_at": task.next_run_at}
    await TaskStore(context.database).change(task.user_id, task.id, active)


class Picky(ScriptedAssistant):
    """Refuses one task, thinks about another until the test lets it, answers the others."""

    def __init__(self, *, refused: str = "", slow: str = "") -> None:
        super().__init__()
        self.refused, self.slow = refused, slow
        self.enough = anyio.Event()

    async def answer(self, request: AiRequest, keep: Keep = kept_nowhere) -> Answer:
        """Answer, in time or never."""
        if request.title == self.refused:
            raise RefusedByAssistant("not allowed")
        if request.title == self.slow:
            await self.enough.wait()
        return await super().answer(request, keep)


async def test_a_failing_task_keeps_none_of_the_others(
    context: Context, services: Services, clean_redis: RedisSettings, owner: User
) -> None:
    tasks = await forgotten(context, owner, 4)

    async with working(replace(services, ai=Picky(refused="Task 1")), clean_redis, JOBS):
        await process_due_tasks(context)
        await eventually(lambda: all_over(context, owner, 3))
        await eventually(lambda: is_dead(context, run_id_of(tasks[1])))

    failed = await current(context, tasks[1])
    assert (failed.status, failed.failures) == (TaskStatus.FAILED, 1)
    assert failed.last_error == "RefusedByAssistant: not allowed"
    assert {each.title for each in await notices(context, owner)} == {"Task 0", "Task 2", "Task 3"}


async def is_dead(context: Context, run_id: str) -> bool:
    return await context.client.run(run_id).status() is RunStatus.DEAD


async def test_a_slow_task_keeps_none_of_the_others(
    context: Context, services: Services, clean_redis: RedisSettings, owner: User
) -> None:
    tasks = await forgotten(context, owner, 20)
    assistant = Picky(slow="Task 0")

    async with working(replace(services, ai=assistant), clean_redis, JOBS):
        await process_due_tasks(context)
        await eventually(lambda: all_over(context, owner, 19))
        waits = await context.client.run(run_id_of(tasks[0])).status()
        assistant.enough.set()
        await eventually(lambda: all_over(context, owner, 20))

    assert waits is RunStatus.RUNNING
