"""Measures are read from the history while others write it."""

from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from app.engine import Batch, Ending, ManualClock, RunEvent, hours, seconds
from app.observability.summary import summarize
from app.storage.database import Database
from app.storage.run_times import RunTimes
from app.storage.runs import Runs


@pytest.fixture
def times(database: Database) -> RunTimes:
    return RunTimes(database)


def batch(clock: ManualClock, first: int, count: int, ending: Ending = Ending.SUCCEEDED) -> Batch:
    at = clock.now()
    events = tuple(
        RunEvent(
            run_id=f"run-{number}",
            job="tests.work",
            queue="email",
            ending=ending,
            attempt=1,
            enqueued_at=at - timedelta(seconds=2),
            started_at=at - timedelta(seconds=1),
            ended_at=at,
            worker="w1",
        )
        for number in range(first, first + count)
    )
    return Batch(entry_id=f"{first}-0", first=first, last=first + count - 1, events=events)


async def test_totals_and_times_are_of_what_is_over_since_then(
    database: Database, times: RunTimes, clock: ManualClock
) -> None:
    runs = Runs(database)
    await runs.record([batch(clock, 1, 3)])
    clock.advance(hours(2))
    await runs.record([batch(clock, 4, 2), batch(clock, 6, 1, Ending.DEAD)])
    await runs.record([batch(clock, 7, 4, Ending.RETRYING)])
    since = clock.now() - hours(1)

    counts = await times.counts(since)
    assert counts == {
        ("tests.work", Ending.SUCCEEDED): 2,
        ("tests.work", Ending.DEAD): 1,
        ("tests.work", Ending.RETRYING): 4,
    }
    assert await times.totals(since) == {
        ("tests.work", Ending.SUCCEEDED): 2,
        ("tests.work", Ending.DEAD): 1,
    }
    latest = await times.latest(since, most=2)
    assert [each.ended_at - each.started_at for each in latest] == [seconds(1)] * 2


async def test_an_export_returns_while_the_recorder_writes(
    database: Database, times: RunTimes, clock: ManualClock
) -> None:
    """The replaced system's took a lock twice, and hung."""
    since, runs, written = clock.now() - hours(1), Runs(database), 0
    seen = list[int]()

    async def record() -> None:
        nonlocal written
        while True:
            await runs.record([batch(clock, written + 1, 200)])
            written += 200

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(record)
            while len(seen) < 10 or seen[-1] == 0:
                before = written
                totals = await times.totals(since)
                told = summarize(totals, await times.latest(since, most=1_000))
                seen.append(told[0].runs if told else 0)
                assert seen[-1] >= before
            group.cancel_scope.cancel()

    assert seen == sorted(seen)


async def test_a_delay_that_was_asked_for_is_no_wait(
    database: Database, times: RunTimes, clock: ManualClock
) -> None:
    (event,) = batch(clock, 1, 1).events
    enqueued, due = event.ended_at - hours(2), event.started_at - seconds(3)
    deferred = replace(event, enqueued_at=enqueued, due_at=due)
    await Runs(database).record([Batch(entry_id="1-0", first=1, last=1, events=(deferred,))])

    latest = await times.latest(clock.now() - hours(3), most=1)

    (told,) = summarize(await times.totals(clock.now() - hours(3)), latest)
    assert (told.wait_average, told.wait_p95) == (3.0, 3.0)
