"""The history: a row a run, whatever order, number or repetition its events come in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.engine import Batch, Ending, RunEvent, UnknownRun
from app.storage.database import Database
from app.storage.position import Gap, Position
from app.storage.runs import Runs
from tests.storage.databases import again

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIRST_ENTRY = round(NOON.timestamp()) * 1000


def tried(run_id: str = "r1", *, attempt: int = 1, ending: Ending = Ending.SUCCEEDED) -> RunEvent:
    """The event of an attempt that began `attempt` minutes past noon and took a second."""
    begun = NOON + timedelta(minutes=attempt)
    return RunEvent(
        run_id=run_id,
        job="email.send",
        queue="email",
        ending=ending,
        attempt=attempt,
        enqueued_at=NOON,
        started_at=begun,
        ended_at=begun + timedelta(seconds=1),
        worker=f"w{attempt}",
        owner="7",
        parent="p1",
        error_kind="builtins.OSError" if ending in (Ending.RETRYING, Ending.DEAD) else "",
        error_message="no route" if ending in (Ending.RETRYING, Ending.DEAD) else "",
    )


def batch(*events: RunEvent, last: int, second: int | None = None) -> Batch:
    """An entry written `second` seconds past noon (`last` unless told), numbered up to `last`."""
    written = FIRST_ENTRY + 1000 * (last if second is None else second)
    first = last - len(events) + 1
    return Batch(entry_id=f"{written}-0", first=first, last=last, events=events)


@pytest.fixture
def runs(database: Database) -> Runs:
    return Runs(database)


async def test_a_run_is_recorded_as_it_went(runs: Runs) -> None:
    await runs.record([batch(tried(ending=Ending.DEAD), last=1)])

    run = await runs.get("r1")
    assert (run.job, run.queue, run.status, run.attempts) == ("email.send", "email", "dead", 1)
    assert run.enqueued_at == NOON
    assert run.started_at == NOON + timedelta(minutes=1)
    assert run.ended_at == NOON + timedelta(minutes=1, seconds=1)
    assert (run.worker, run.owner, run.parent) == ("w1", "7", "p1")
    assert (run.error_kind, run.error_message) == ("builtins.OSError", "no route")
    assert run.is_over


async def test_the_latest_attempt_tells_how_a_run_stands(runs: Runs) -> None:
    await runs.record([batch(tried(attempt=1, ending=Ending.RETRYING), last=1)])
    await runs.record([batch(tried(attempt=2), last=2)])

    run = await runs.get("r1")
    assert (run.status, run.attempts, run.worker) == (Ending.SUCCEEDED, 2, "w2")
    assert run.started_at == NOON + timedelta(minutes=1)
    assert run.ended_at == NOON + timedelta(minutes=2, seconds=1)
    assert run.error_message == ""


async def test_an_older_attempt_never_overwrites_a_newer_one(runs: Runs) -> None:
    await runs.record([batch(tried(attempt=2, ending=Ending.RETRYING), last=1)])
    await runs.record([batch(tried(attempt=1, ending=Ending.RETRYING), last=2)])

    run = await runs.get("r1")
    assert (run.attempts, run.worker) == (2, "w2")
    assert run.started_at == NOON + timedelta(minutes=1)


async def test_a_run_cancelled_while_it_waits_for_its_retry_is_cancelled(runs: Runs) -> None:
    cancelled = replace(tried(ending=Ending.CANCELLED), attempt=0)  # as the engine reports it

    await runs.record([batch(tried(attempt=2, ending=Ending.RETRYING), cancelled, last=2)])

    run = await runs.get("r1")
    assert (run.status, run.attempts) == (Ending.CANCELLED, 2)


async def test_a_snoozed_attempt_and_its_repeat_are_one_row(runs: Runs) -> None:
    snoozed = tried(ending=Ending.SNOOZED)
    repeated = replace(tried(), ended_at=snoozed.ended_at + timedelta(minutes=5))

    await runs.record([batch(snoozed, repeated, last=2)])

    assert [run.status for run in await runs.list()] == [Ending.SUCCEEDED]


async def test_an_id_used_again_later_is_another_run(runs: Runs) -> None:
    again = replace(tried(ending=Ending.RETRYING), enqueued_at=NOON + timedelta(hours=2))

    await runs.record([batch(tried(), again, last=2)])

    assert (await runs.get("r1")).status is Ending.RETRYING
    assert len(await runs.list()) == 2


async def test_the_list_is_newest_first_and_can_be_narrowed(runs: Runs) -> None:
    sync = replace(tried("r3", attempt=3), queue="sync")
    dead = tried("r2", attempt=2, ending=Ending.DEAD)

    await runs.record([batch(dead, sync, tried("r1"), last=3)])

    assert [run.id for run in await runs.list()] == ["r3", "r2", "r1"]
    assert [run.id for run in await runs.list(limit=1)] == ["r3"]
    assert [run.id for run in await runs.list(queue="email")] == ["r2", "r1"]
    assert [run.id for run in await runs.list(status=Ending.DEAD)] == ["r2"]


async def test_runs_are_counted_by_status(runs: Runs) -> None:
    await runs.record([batch(tried("a"), tried("b"), tried("c", ending=Ending.DEAD), last=3)])

    counts = await runs.counts()

    assert (counts[Ending.SUCCEEDED], counts[Ending.DEAD], counts[Ending.PARKED]) == (2, 1, 0)


async def test_a_run_that_is_not_there_is_unknown(runs: Runs) -> None:
    with pytest.raises(UnknownRun, match="no run 'nobody' in the history"):
        await runs.get("nobody")


async def test_recording_twice_changes_nothing(runs: Runs) -> None:
    batches = [batch(tried(ending=Ending.RETRYING), last=1), batch(tried(attempt=2), last=2)]
    first = await runs.record(batches)
    before = await runs.list()

    again = await runs.record(batches)

    assert (again, await runs.list(), await runs.gaps()) == (first, before, ())


async def test_a_hole_in_the_numbers_is_a_gap_with_its_time(runs: Runs) -> None:
    await runs.record([batch(tried("a"), last=1)])

    position = await runs.record([batch(tried("b"), last=10)])

    since, until = NOON + timedelta(seconds=1), NOON + timedelta(seconds=10)
    assert await runs.gaps() == (Gap(epoch=1, missed=8, since=since, until=until),)
    assert (position.epoch, position.last) == (1, 10)


async def test_events_lost_before_the_first_recording_are_a_gap_too(runs: Runs) -> None:
    await runs.record([batch(tried(), last=5)])

    assert [(gap.missed, gap.since) for gap in await runs.gaps()] == [(4, None)]


async def test_numbers_that_begin_anew_lose_nothing(runs: Runs) -> None:
    await runs.record([batch(tried("old"), last=500)])
    gaps = await runs.gaps()

    position = await runs.record(
        [batch(tried("a"), last=1, second=600), batch(tried("b"), last=2, second=601)]
    )

    assert (position.epoch, position.last) == (2, 2)
    assert {run.id for run in await runs.list()} == {"old", "a", "b"}
    assert await runs.gaps() == gaps


async def test_numbers_that_begin_anew_under_a_slower_clock_lose_nothing(runs: Runs) -> None:
    await runs.record([batch(tried("old"), last=1, second=500)])

    position = await runs.record([batch(tried("a"), last=1, second=20)])

    assert (position.epoch, position.last) == (2, 1)
    assert {run.id for run in await runs.list()} == {"old", "a"}


async def test_an_entry_trimmed_after_it_was_read_moves_nothing(runs: Runs) -> None:
    await runs.record([batch(tried("a"), last=1)])

    position = await runs.record([Batch(entry_id=f"{FIRST_ENTRY}-0", first=1, last=0, events=())])
    await runs.record([batch(tried("b"), last=3)])

    assert position.last == 1
    assert [gap.missed for gap in await runs.gaps()] == [1]


@pytest.mark.parametrize("last", [-1, 0, 2**62, 10**40])
async def test_numbers_that_are_no_count_do_not_move_the_position(runs: Runs, last: int) -> None:
    before = await runs.record([batch(tried("a"), last=1)])

    after = await runs.record([batch(tried("b"), last=last, second=2)])

    assert after == before
    assert (await runs.get("b")).status is Ending.SUCCEEDED


async def test_an_event_with_absurd_values_is_recorded_nevertheless(runs: Runs) -> None:
    absurd = replace(tried("'; DROP TABLE runs; --"), attempt=2**64 - 1, owner="\0" * 3, job="\x1b")

    await runs.record([batch(absurd, last=1)])

    assert (await runs.get(absurd.run_id)).attempts == 2**31 - 1


async def test_the_position_outlives_the_process(database: Database) -> None:
    recorded = await Runs(database).record([batch(tried(), last=1)])

    async with again(database) as reopened:
        assert await Runs(reopened).position() == recorded


async def test_the_database_refuses_a_status_that_does_not_exist(
    database: Database, runs: Runs
) -> None:
    await runs.record([batch(tried(), last=1)])

    with pytest.raises(IntegrityError, match="ck_runs_ending"):
        async with database.write() as session:
            await session.execute(text("UPDATE runs SET status = 'processing'"))


_sizes = st.lists(st.integers(1, 3), min_size=1, max_size=8)


@given(sizes=_sizes, lost=st.sets(st.integers(0, 7)), repeats=st.lists(st.integers(0, 7)))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_what_is_recorded_and_what_is_missed_add_up(
    database: Database, runs: Runs, sizes: list[int], lost: set[int], repeats: list[int]
) -> None:
    await forget_everything(database)
    kept = [entry for n, entry in enumerate(entries_of(sizes)) if n not in lost]

    for entry in kept:
        await runs.record([entry])
    for n in repeats:
        await runs.record(kept[n : n + 2])

    last = kept[-1].last if kept else 0
    missed = sum(gap.missed for gap in await runs.gaps())
    assert await runs.position() == Position(
        epoch=1, last=last, entry_id=kept[-1].entry_id if kept else "0-0"
    )
    assert len(await runs.list()) == last - missed == sum(len(entry.events) for entry in kept)


def entries_of(sizes: list[int]) -> list[Batch]:
    """Entries with so many events each, every event a run of its own."""
    numbers = count(1)
    found: list[Batch] = []
    for size in sizes:
        events = [tried(f"r{next(numbers)}") for _ in range(size)]
        found.append(batch(*events, last=sum(sizes[: len(found) + 1])))
    return found


async def forget_everything(database: Database) -> None:
    """Empty the history: all examples of a property share the test's database."""
    async with database.write() as session:
        for table in ("runs", "history_gaps", "history_position"):
            await session.execute(text(f"DELETE FROM {table}"))
