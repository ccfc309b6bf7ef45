"""What a worker makes of the jobs on files and of upkeep: from waiting to the history of runs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from arq.connections import RedisSettings
from sqlalchemy import text

from app.context import Services
from app.engine import Ending, Events, Handle, Job, ManualClock, RunStatus, hours, minutes, seconds
from app.engine.roles.scheduler import Scheduler
from app.jobs import JOBS, files, maintenance
from app.jobs.ai import create_reminder
from app.observability.recorder import Recorder
from app.services.files import Files
from app.storage.cache import Cache
from app.storage.notifications import Notices
from app.storage.run import Run
from app.storage.runs import Runs
from app.storage.users import User
from app.timetable import TIMETABLE
from tests.eventually import eventually
from tests.jobs.working import working

ENOUGH = seconds(20)


async def told(services: Services, run_id: str) -> Run:
    """The run as the history has it."""
    runs = Runs(services.database)
    await Recorder(Events(services.client.store), runs, lease=seconds(1)).drain()
    return await runs.get(run_id)


async def waits_again(handle: Handle[Any]) -> None:
    """Return when an attempt has failed and the next is put off."""

    async def is_put_off() -> bool:
        return await handle.status() is RunStatus.DEFERRED

    await eventually(is_put_off, within=ENOUGH)


def slow(clock: ManualClock, by: timedelta) -> Callable[[], datetime]:
    """The time, which takes long to be told, as if a disk were slow."""

    def now() -> datetime:
        clock.advance(by)
        return clock.now()

    return now


async def test_the_history_tells_how_long_a_file_job_worked_beside_how_long_it_waited(
    services: Services, clock: ManualClock, clean_redis: RedisSettings, tmp_path: Path
) -> None:
    services = replace(services, files=Files([tmp_path / "tmp"], now=slow(clock, seconds(3))))
    run = await services.client.enqueue(files.cleanup_temp_files)
    clock.advance(minutes(4))

    async with working(services, clean_redis, JOBS):
        await run.result(within=ENOUGH)

    past = await told(services, run.id)
    assert seconds(3) <= past.ended_at - past.started_at < minutes(1)
    assert minutes(4) <= past.started_at - past.enqueued_at < minutes(5)


async def test_the_history_tells_how_long_upkeep_worked_beside_how_long_it_waited(
    services: Services, clock: ManualClock, clean_redis: RedisSettings
) -> None:
    services = replace(services, cache=Cache(services.database, now=slow(clock, seconds(2))))
    run = await services.client.enqueue(maintenance.cleanup_expired_cache)
    clock.advance(minutes(4))

    async with working(services, clean_redis, JOBS):
        await run.result(within=ENOUGH)

    past = await told(services, run.id)
    assert seconds(2) <= past.ended_at - past.started_at < minutes(1)
    assert minutes(4) <= past.started_at - past.enqueued_at < minutes(5)


@pytest.mark.parametrize(
    ("job", "folder"),
    [
        (files.cleanup_temp_files, "tmp"),
        (files.backup_user_data, "backups"),
        (files.cleanup_old_logs, "other_logs"),
        (files.organize_files, "incoming"),
        (files.sync_file_storage, "disk"),
    ],
    ids=lambda each: each.name if isinstance(each, Job) else "",
)
async def test_a_file_job_that_fails_says_so_and_is_done_once_its_folder_is_mended(
    services: Services,
    clock: ManualClock,
    clean_redis: RedisSettings,
    tmp_path: Path,
    job: Job[Any, [], Any],
    folder: str,
) -> None:
    (tmp_path / folder).write_text("no folder")
    async with working(services, clean_redis, JOBS):
        run = await services.client.enqueue(job)

        await waits_again(run)
        failed = await told(services, run.id)
        (tmp_path / folder).unlink()
        (tmp_path / folder).mkdir()
        clock.advance(hours(2))
        result = await run.result(within=ENOUGH)

    assert (failed.status, failed.attempts) == (Ending.RETRYING, 1)
    assert failed.error_kind.endswith("Error")
    assert folder in failed.error_message
    assert result.status == "success"
    past = await told(services, run.id)
    assert (past.status, past.attempts, past.error_kind) == (Ending.SUCCEEDED, 2, "")


@pytest.mark.parametrize(
    ("job", "table"),
    [
        (maintenance.cleanup_old_sessions, "sessions"),
        (maintenance.cleanup_expired_cache, "cache"),
        (maintenance.prune_history, "health_checks"),
        (maintenance.keep_effects, "effects"),
        (maintenance.optimize_database, "optimizations"),
    ],
    ids=lambda each: each.name if isinstance(each, Job) else "",
)
async def test_upkeep_that_fails_says_so_and_is_done_once_its_table_is_mended(
    services: Services,
    clock: ManualClock,
    clean_redis: RedisSettings,
    job: Job[Any, [], Any],
    table: str,
) -> None:
    async def rename(old: str, new: str) -> None:
        async with services.database.write() as session:
            await session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    await rename(table, "elsewhere")
    async with working(services, clean_redis, JOBS):
        run = await services.client.enqueue(job)

        await waits_again(run)
        failed = await told(services, run.id)
        await rename("elsewhere", table)
        clock.advance(hours(2))
        await run.result(within=ENOUGH)

    assert (failed.status, failed.attempts) == (Ending.RETRYING, 1)
    assert table in failed.error_message
    past = await told(services, run.id)
    assert (past.status, past.attempts, past.error_kind) == (Ending.SUCCEEDED, 2, "")


async def test_a_file_job_waits_is_done_once_and_stays_in_the_history(
    services: Services, clock: ManualClock, clean_redis: RedisSettings, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/old").write_text("x")
    once = files.cleanup_temp_files.with_options(delay=hours(25), key="tidy")
    run = await services.client.enqueue(once)
    twin = await services.client.enqueue(once)
    assert (twin.id, twin.is_new, await run.status()) == (run.id, False, RunStatus.DEFERRED)

    async with working(services, clean_redis, JOBS):
        clock.advance(hours(25) + seconds(1))
        cleaned = await run.result(within=ENOUGH)

    assert (cleaned.removed, (tmp_path / "tmp/old").exists()) == (1, False)
    assert await run.status() is RunStatus.SUCCEEDED
    past = await told(services, run.id)
    assert (past.job, past.queue, past.status) == (once.name, "files", Ending.SUCCEEDED)
    assert (past.attempts, past.error_kind) == (1, "")
    assert past.enqueued_at < past.started_at <= past.ended_at
    again = await services.client.enqueue(files.cleanup_temp_files.with_options(key="tidy"))
    assert again.is_new


async def test_a_scheduler_that_begins_anew_finds_the_tasks_that_come_due(
    services: Services, owner: User, clock: ManualClock, clean_redis: RedisSettings
) -> None:
    scheduler = Scheduler(TIMETABLE, services.client)
    await scheduler.fire_due()
    async with working(services, clean_redis, JOBS):
        await services.client.enqueue(
            create_reminder, owner.id, "Call Bob", clock.now() + seconds(30)
        )

        async def is_there() -> bool:
            return (await services.tasks.statistics(owner.id)).total == 1

        await eventually(is_there, within=ENOUGH)
        assert await Notices(services.database).of(owner.id) == ()
        clock.advance(minutes(1))
        await scheduler.fire_due()

        async def is_told() -> bool:
            notices = await Notices(services.database).of(owner.id)
            return [each.title for each in notices] == ["Call Bob"]

        await eventually(is_told, within=ENOUGH)
