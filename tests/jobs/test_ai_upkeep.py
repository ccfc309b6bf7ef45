"""The AI jobs' upkeep: old logs go, and a probe that has seen something wrong is a failed run."""

from dataclasses import replace
from datetime import timedelta

import pytest
from arq.connections import RedisSettings

from app.context import Context, Services
from app.engine import (
    Client,
    Codec,
    Discard,
    Fixed,
    Job,
    ManualClock,
    RunStatus,
    days,
    hours,
    job,
    minutes,
    seconds,
)
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from app.engine.roles.scheduler import Scheduler
from app.jobs import JOBS
from app.jobs.ai import create_periodic_task
from app.jobs.ai_results import TaskCreated
from app.jobs.ai_upkeep import cleanup_old_logs, probe_scheduler
from app.observability.probe import Probe
from app.queues import AI
from app.services.probed import ProbeFailed
from app.services.task_journal import KEEP, TaskLogsCleaned
from app.storage.database import Database
from app.storage.task import UnknownTask
from app.storage.users import User
from app.timetable import TIMETABLE
from tests.eventually import eventually
from tests.jobs.ai_bench import at_attempt, due, task_of, waiting
from tests.jobs.working import working


async def test_old_logs_and_tasks_that_are_over_go_after_thirty_days(
    context: Context, owner: User, reminder: TaskCreated, clock: ManualClock
) -> None:
    hourly = await create_periodic_task(
        at_attempt(context, "another"), owner.id, "Stretch", "custom", {"interval_minutes": 60}
    )
    assert timedelta(days=30) == KEEP
    await due(context, reminder)
    await due(context, hourly)
    clock.advance(days(30) - seconds(30))
    kept = await cleanup_old_logs(context)
    clock.advance(minutes(1))

    would = await cleanup_old_logs(context, dry_run=True)
    cleaned = await cleanup_old_logs(context)
    again = await cleanup_old_logs(context)

    assert (kept.logs_cleaned, kept.tasks_cleaned) == (0, 0)
    assert cleaned == TaskLogsCleaned(
        dry_run=False, before=cleaned.before, logs_cleaned=2, tasks_cleaned=1
    )
    assert (would.dry_run, would.logs_cleaned, would.tasks_cleaned) == (True, 2, 1)
    assert (again.logs_cleaned, again.tasks_cleaned) == (0, 0)
    assert (await task_of(context, hourly)).last_result is not None
    with pytest.raises(UnknownTask):
        await context.tasks.get(owner.id, reminder.task_id)


async def test_a_dry_run_deletes_nothing(
    context: Context, owner: User, reminder: TaskCreated, clock: ManualClock
) -> None:
    await due(context, reminder)
    clock.advance(days(31))

    await cleanup_old_logs(context, dry_run=True)

    assert (await context.tasks.get(owner.id, reminder.task_id)).last_result
    assert len(await context.tasks.log.of(owner.id, reminder.task_id)) == 1


@pytest.fixture
async def ticking(context: Context, clock: ManualClock) -> Context:
    """A minute's tick has just been fired."""
    scheduler = Scheduler(TIMETABLE, context.client)
    await scheduler.fire_due()
    clock.advance(minutes(1))
    await scheduler.fire_due()
    return context


async def test_a_probe_finds_database_redis_and_ticks_well(ticking: Context) -> None:
    probed = await probe_scheduler(ticking)

    assert probed.connection_healthy is True
    assert probed.database.startswith("written to and read in ")
    assert probed.redis.startswith("written to and read in ")
    assert probed.ticks.startswith("ai.process_due_tasks ticked ")
    assert "its run is queued" in probed.ticks


async def test_a_probe_leaves_nothing_in_redis_and_one_row(ticking: Context) -> None:
    before = await ticking.client.store.redis.keys("*")

    for _ in range(3):
        await probe_scheduler(ticking)

    assert sorted(await ticking.client.store.redis.keys("*")) == sorted(before)


async def test_a_probe_of_a_broken_database_fails(ticking: Context, database: Database) -> None:
    database.path.write_bytes(b"")
    for journal in ("-wal", "-shm"):
        database.path.with_name(database.path.name + journal).unlink(missing_ok=True)

    probed = await failing(ticking)

    assert "database: it can't be asked" in probed
    assert "redis: written to and read" in probed


async def test_a_probe_without_redis_fails(
    ticking: Context, codec: Codec, clock: ManualClock
) -> None:
    gone = RedisSettings(unix_socket_path="/nowhere/valkey.sock", conn_retries=0)
    async with open_redis(gone) as redis:
        nobody = Client(Store(redis, clock), codec)
        probe = Probe(ticking.database, nobody, patience=seconds(0.5), now=clock.now)
        said = await failing(replace(ticking, probe=probe))

    assert "redis: it can't be asked (ConnectionError)" in said
    assert "ticks: it can't be asked" in said
    assert "database: written to and read" in said


async def test_a_probe_whose_ticks_do_not_arrive_fails(
    ticking: Context, clock: ManualClock
) -> None:
    clock.advance(hours(1))

    assert "ticks: ai.process_due_tasks ticked last 36" in await failing(ticking)


async def test_a_probe_where_nobody_goes_by_the_clock_fails(context: Context) -> None:
    assert "has never ticked" in await failing(context)


async def test_a_tick_whose_run_died_is_no_good_sign(
    ticking: Context, services: Services, clean_redis: RedisSettings
) -> None:
    (run_id,) = [each for each in await waiting(ticking) if each.startswith("ai.process_due_tasks")]
    run = ticking.client.run(run_id)

    async def is_dead() -> bool:
        return await run.status() is RunStatus.DEAD

    async with working(services, clean_redis, {**JOBS, dying.name: dying}):
        await eventually(is_dead)

    assert "its run is dead" in await failing(ticking)


@job(name="ai.process_due_tasks", queue=AI)
async def dying(_ctx: Context) -> None:
    """Give up at once."""
    raise Discard("no")


async def failing(context: Context) -> str:
    """What a probe says that fails."""
    with pytest.raises(ProbeFailed, match=r"^connection_healthy: false; ") as failed:
        await probe_scheduler(context)
    assert failed.value.probed.connection_healthy is False
    return str(failed.value)


@pytest.mark.parametrize("job", [cleanup_old_logs, probe_scheduler])
def test_upkeep_is_tried_four_times_a_minute_apart(job: Job[Context, ..., object]) -> None:
    assert (job.queue, job.retry) == (AI, Fixed(minutes(1), attempts=4))
    assert job.name.startswith("ai.")
