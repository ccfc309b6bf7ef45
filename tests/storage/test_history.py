"""The past: what goes once it is long over, at exactly which moment, and what stays."""

from datetime import datetime, timedelta

import pytest

from app.engine import Ending, days
from app.storage.database import Database
from app.storage.health import HealthCheckRow
from app.storage.history import PASTS, History
from app.storage.position import GapRow
from app.storage.runs import RunRow, Runs
from tests.storage.still_clock import TICK, StillClock

KEEP = days(90)


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture
def history(database: Database, still: StillClock) -> History:
    return History(database, keep=KEEP, now=still.now)


def run(number: int, ended_at: datetime, status: Ending = Ending.SUCCEEDED) -> RunRow:
    return RunRow(
        id=f"run-{number}",
        enqueued_at=ended_at,
        job="test.job",
        queue="ai",
        status=status,
        attempts=1,
        started_at=ended_at,
        ended_at=ended_at,
        worker="w",
        owner="",
        parent="",
        error_kind="",
        error_message="",
    )


async def add(database: Database, *rows: object) -> None:
    async with database.write() as session:
        session.add_all(rows)


async def left(database: Database) -> set[str]:
    return {each.id for each in await Runs(database).list(limit=10_000)}


async def test_a_run_is_forgotten_when_it_is_older_than_it_is_kept_and_not_before(
    history: History, database: Database, still: StillClock
) -> None:
    edge = still.now() - KEEP
    await add(database, run(1, edge - TICK), run(2, edge), run(3, still.now()))

    dry = await history.prune(dry_run=True)
    assert len(await left(database)) == 3
    real = await history.prune()

    assert (dry.removed, real.removed, real.tables["runs"]) == (1, 1, 1)
    assert await left(database) == {"run-2", "run-3"}
    assert (await history.prune()).removed == 0


async def test_a_run_that_is_not_over_is_not_forgotten(
    history: History, database: Database, still: StillClock
) -> None:
    old = still.now() - 2 * KEEP
    rows = [run(number, old, each) for number, each in enumerate(Ending)]
    await add(database, *rows)

    pruned = await history.prune()

    over = {Ending.SUCCEEDED, Ending.CANCELLED, Ending.DEAD}
    assert pruned.removed == len(over)
    assert {each.status for each in await Runs(database).list()} == set(Ending) - over


async def test_every_table_that_tells_of_a_past_is_pruned(
    history: History, database: Database, still: StillClock
) -> None:
    old = still.now() - KEEP - TICK
    for at in (old, old + timedelta(hours=1)):
        await add(
            database,
            HealthCheckRow(checked_at=at, overall="healthy", report={}),
            GapRow(epoch=1, missed=1, since=None, until=at),
        )

    pruned = await history.prune()

    assert pruned.tables.keys() == {each.name for each in PASTS}
    assert (pruned.tables["health_checks"], pruned.tables["history_gaps"]) == (1, 1)
    assert pruned.removed == 2


async def test_many_rows_go_in_several_transactions(
    history: History, database: Database, still: StillClock
) -> None:
    old = still.now() - 2 * KEEP
    await add(database, *(run(number, old) for number in range(4_500)), run(9_999, still.now()))

    assert (await history.prune()).removed == 4_500
    assert await left(database) == {"run-9999"}
