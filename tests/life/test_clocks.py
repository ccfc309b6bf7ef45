"""Machines that disagree about the time: Redis has the last word."""

import sys
from time import monotonic

import pytest

from app.context import Services
from app.engine import hours, seconds
from tests.life import jobs
from tests.life.home import Home
from tests.life.processes import WorkerProcess

SHIFTED = (sys.executable, "-m", "tests.life.shifted")
DELAY, LEASE = 2.5, 1.0  # s
HOUR = hours(1).total_seconds()


@pytest.mark.case(27)
async def test_a_clock_that_is_an_hour_off_neither_delays_a_run_nor_costs_a_lease(
    home: Home, steward: Services
) -> None:
    first = await _shifted(home, HOUR).ready(steward.client)
    held = await steward.client.enqueue(jobs.hold)
    await home.ledger.until("begun", 1)
    await _shifted(home, -HOUR).ready(steward.client)

    enqueued_at = monotonic()
    delayed = await steward.client.enqueue(jobs.note.with_options(delay=seconds(DELAY)))
    await delayed.result()
    took = monotonic() - enqueued_at
    home.ledger.open_gate()

    print(
        f"case 27: with workers an hour off, a run delayed by {DELAY} s was done after {took:.2f} s"
    )
    assert DELAY <= took < DELAY + 5
    assert await held.result() == 1  # its lease outlived more than two leases' time
    assert [line.pid for line in home.ledger.lines("begun")] == [first.pid]


def _shifted(home: Home, by: float) -> WorkerProcess:
    return home.worker(program=SHIFTED, LIFE_SHIFT=str(by), STEWARD_WORKER__LEASE=str(LEASE))
