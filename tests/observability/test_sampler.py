"""Each process writes what it and its machine do, and says goodbye."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.engine import ManualClock, hours
from app.observability.machine_sample import Reading, read_machine, sample_between
from app.observability.sampler import Sampler
from app.storage.database import Database
from app.storage.samples import Samples, minute_of
from app.storage.sightings import Sighting, Sightings
from tests.eventually import eventually
from tests.observability.watched import Somebody

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
BEFORE = Reading(
    at=100.0,
    busy=1_000.0,
    idle=9_000.0,
    read=10**9,
    written=2 * 10**9,
    received=3 * 10**9,
    sent=4 * 10**9,
    memory_percent=40.0,
    disk_percent=50.0,
    load=1.0,
    cores=4,
)


def test_rates_are_differences_and_shares_are_percent() -> None:
    after = replace(
        BEFORE,
        at=160.0,
        busy=1_060.0,
        idle=9_180.0,
        read=BEFORE.read + 60_000,
        sent=BEFORE.sent + 600,
        load=6.0,
        memory_percent=41.0,
    )

    sample = sample_between(BEFORE, after, host="here", minute=NOON)

    assert sample.cpu_percent == 25  # 60 of 240 seconds of four processors
    assert (sample.read_rate, sample.write_rate) == (1_000, 0)
    assert (sample.receive_rate, sample.send_rate) == (0, 10)
    assert (sample.memory_percent, sample.load_per_core) == (41, 1.5)


@given(st.integers(0, 2**40), st.floats(0, 1e6), st.floats(0, 1e6))
def test_counters_that_go_backwards_are_no_negative_rate(
    read: int, busy: float, idle: float
) -> None:
    after = replace(BEFORE, at=BEFORE.at + 1, read=read, busy=busy, idle=idle)

    sample = sample_between(BEFORE, after, host="here", minute=NOON)

    assert sample.read_rate >= 0
    assert 0 <= sample.cpu_percent <= 100


def test_a_real_machine_is_read(tmp_path: Path) -> None:
    before = read_machine(tmp_path)
    sample = sample_between(before, read_machine(tmp_path), host="here", minute=NOON)

    assert sample.cores == psutil.cpu_count()
    assert 0 < sample.memory_percent < 100
    assert 0 < sample.disk_percent <= 100


async def test_a_process_is_seen_and_says_goodbye(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    sampler = Sampler(Somebody, database, tmp_path, slots=7, now=clock.now, period=0.02)
    sightings, samples = Sightings(database), Samples(database)
    since, seen = clock.now() - hours(1), list[Sighting]()

    async with anyio.create_task_group() as group:
        group.start_soon(sampler.run)
        await eventually(lambda: samples.machines(since))
        seen += await sightings.recent(since)
        group.cancel_scope.cancel()

    assert [(each.worker, each.pid, each.slots, each.left_at) for each in seen] == [
        ("w1", psutil.Process().pid, 7, None)
    ]
    assert seen[0].memory_bytes > 2**20
    (gone,) = await sightings.recent(since)
    assert gone.left_at is not None


async def test_two_processes_of_a_machine_write_one_sample_a_minute(
    database: Database, clock: ManualClock
) -> None:
    samples, minute = Samples(database), minute_of(clock.now())
    sample = sample_between(BEFORE, BEFORE, host="here", minute=minute)

    assert await samples.add_machine(sample)
    assert not await samples.add_machine(replace(sample, cpu_percent=99.0))

    (kept,) = await samples.machines(minute)
    assert kept.cpu_percent == 0


async def test_a_database_that_can_not_be_written_is_no_end_of_it(
    database: Database, clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with database.write() as session:
        await session.execute(text("DROP TABLE worker_sightings"))
        await session.execute(text("DROP TABLE machine_samples"))
    sampler = Sampler(Somebody, database, tmp_path, slots=7, now=clock.now, period=0.01)

    with anyio.move_on_after(timedelta(seconds=0.3).total_seconds()):
        await sampler.run()

    assert "a sample can't be written: OperationalError" in caplog.text
