"""Upkeep of what is in the database: sessions, the cache, the past, and the database itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.context import Context
from app.engine import Fixed, Job, ManualClock, days, hours, minutes
from app.jobs.maintenance import (
    cleanup_expired_cache,
    cleanup_old_sessions,
    optimize_database,
    prune_history,
)
from app.queues import MAINTENANCE
from app.storage.errors import StorageError
from app.storage.health import HealthCheckRow
from app.storage.optimizations import Optimizations
from app.storage.users import User
from app.timetable import TIMETABLE


async def test_the_planner_learns_what_the_tables_hold_and_it_is_remembered(
    context: Context,
) -> None:
    done = await optimize_database(context)

    async with context.database.read() as session:
        known = await session.scalars(text("SELECT stat FROM sqlite_stat1 WHERE tbl = 'users'"))
        assert {each.split()[0] for each in known} == {"1"}
    (past,) = await Optimizations(context.database).latest()
    assert past.result["after"]["rows"]["users"] == done.after.rows["users"] == 1
    assert done.before.statistics == {}
    assert done.tables_optimized >= 1
    assert done.status == "success"


async def test_a_dry_run_of_it_leaves_the_planner_as_it_was(context: Context) -> None:
    done = await optimize_database(context, dry_run=True)

    assert (done.dry_run, done.tables_optimized) == (True, 0)
    assert await Optimizations(context.database).latest() == ()


async def test_a_database_that_can_not_be_optimized_is_no_success(context: Context) -> None:
    context.database.path.write_bytes(b"broken")

    with pytest.raises(StorageError):
        await optimize_database(context)


async def test_old_sessions_are_removed_and_others_go_on(
    context: Context, owner: User, clock: ManualClock
) -> None:
    expired = await context.sessions.begin(owner.id)
    for _ in range(5):
        clock.advance(days(6))
        await context.sessions.find(expired)
    idle = await context.sessions.begin(owner.id)
    clock.advance(days(8))
    fresh = await context.sessions.begin(owner.id)

    dry = await cleanup_old_sessions(context, dry_run=True)
    real = await cleanup_old_sessions(context)
    again = await cleanup_old_sessions(context)

    assert (dry.expired, dry.inactive, dry.kept, dry.dry_run) == (1, 1, 1, True)
    assert (real.status, real.looked_at) == ("success", 3)
    assert (real.expired, real.inactive, real.kept) == (1, 1, 1)
    assert real.freed_bytes == dry.freed_bytes == 2 * 64
    assert (again.expired, again.inactive) == (0, 0)
    assert await context.sessions.find(idle) is None
    assert await context.sessions.find(fresh)
    assert len(await context.sessions.of(owner.id)) == 1


async def test_where_nobody_logged_in_there_are_no_sessions_to_remove(context: Context) -> None:
    dry = await cleanup_old_sessions(context, dry_run=True)
    real = await cleanup_old_sessions(context)

    assert (dry.status, dry.looked_at) == (real.status, real.looked_at) == ("no_sessions", 0)


async def test_expired_cache_entries_are_dropped(context: Context, clock: ManualClock) -> None:
    await context.cache.put("short", b"a" * 1_000, keep=hours(1))
    await context.cache.put("long", b"b" * 1_000, keep=hours(2))
    clock.advance(hours(1) + timedelta(seconds=1))

    dry = await cleanup_expired_cache(context, dry_run=True)
    assert await context.cache.size() == 2
    real = await cleanup_expired_cache(context)

    assert (dry.expired, dry.kept, dry.dry_run) == (1, 1, True)
    assert (real.expired, real.invalid, real.kept) == (1, 0, 1)
    assert 0 < real.freed_bytes == dry.freed_bytes < 1_000
    assert await context.cache.size() == 1
    assert await context.cache.get("long") == b"b" * 1_000


async def test_history_past_its_time_is_forgotten(context: Context, clock: ManualClock) -> None:
    for age in (days(91), days(89)):
        async with context.database.write() as session:
            at = clock.now() - age
            session.add(HealthCheckRow(checked_at=at, overall="healthy", report={}))

    dry = await prune_history(context, dry_run=True)
    real = await prune_history(context)
    again = await prune_history(context)

    assert (dry.removed, real.removed, again.removed) == (1, 1, 0)
    assert real.tables["health_checks"] == 1
    async with context.database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM health_checks")) == 1


@pytest.mark.parametrize(
    ("job", "pause"),
    [
        (optimize_database, 60),
        (cleanup_old_sessions, 10),
        (cleanup_expired_cache, 10),
        (prune_history, 30),
    ],
    ids=lambda each: each.name if isinstance(each, Job) else "",
)
def test_every_upkeep_job_is_tried_four_times_and_never_beside_its_next_tick(
    job: Job[Context, ..., Any], pause: int
) -> None:
    (tick,) = [each for each in TIMETABLE if each.call.job is job]
    noon = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    first = tick.cron.next_after(noon)

    assert (job.queue, job.retry) == (MAINTENANCE, Fixed(minutes(pause), attempts=4))
    assert tick.cron.next_after(first) - first > 3 * minutes(pause)
