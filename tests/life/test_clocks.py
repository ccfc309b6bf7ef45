"""Machines that disagree about the time: Redis has the last word."""

import sys
from signal import SIGUSR1
from time import monotonic

import pytest

from app.context import Services
from app.engine import seconds
from tests.life import jobs
from tests.life.home import Home
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

SHIFTED = (sys.executable, "-m", "tests.life.shifted")
CLIENT = (sys.executable, "-m", "tests.life.shifted_client")
OFF = ("5", "-5", "3600", "-3600")  # s
RUNS, DELAY, LEASE = 5, 5.0, 1.0  # s
HELD = 3  # by each of four slots but the one that is for what is urgent


@pytest.mark.case(27)
async def test_clocks_that_are_off_neither_shift_a_delay_nor_cost_a_lease(
    home: Home, steward: Services, case: Case, tier: Tier
) -> None:
    workers = [_worker(home, LIFE_SHIFT=off, STEWARD_WORKER__CONCURRENCY="4") for off in OFF]
    for worker in workers:
        await worker.ready(steward.client)
    held = await steward.client.enqueue_many(jobs.hold.call() for _ in range(HELD * len(OFF)))
    begun = await home.ledger.until("begun", len(held))

    clients = [home.worker(str(RUNS), str(DELAY), program=CLIENT, LIFE_SHIFT=off) for off in OFF]
    started = {line.run: line.at for line in await home.ledger.until("noted", RUNS * len(OFF))}
    asked = {line.run: line.at for line in home.ledger.lines("asked")}
    home.ledger.open_gate()

    took = sorted(started[run] - asked[run] for run in asked)
    case.says(
        f"clocks of workers and clients up to an hour off, {len(took)} runs delayed by {DELAY:g} s",
        arq="5.2 s instead of 10 with a clock 5 s ahead",
        steward=f"begun after {took[0]:.2f} to {took[-1]:.2f} s; {len(held)} leases held",
    )
    assert [await client.exit_code() for client in clients] == [0] * len(OFF)
    assert took[0] >= DELAY
    assert took[-1] < DELAY + tier.bound(0.5, loose=5)
    assert {line.pid for line in begun} == {worker.pid for worker in workers}
    assert [await each.result() for each in held] == [1] * len(held)
    assert len(home.ledger.lines("begun")) == len(held)


@pytest.mark.tier("T2")
@pytest.mark.case(28)
async def test_clocks_that_jump_stall_nothing_and_repeat_nothing(
    home: Home, steward: Services, case: Case
) -> None:
    steps = ("3600", "-3600")
    workers = [_worker(home, LIFE_STEP=step, STEWARD_WORKER__POLL="2") for step in steps]
    for worker in workers:
        await worker.ready(steward.client)
    held = await steward.client.enqueue_many(jobs.hold.call() for _ in range(20))
    begun = await home.ledger.until("begun", 20)

    asked_at = monotonic()
    later = jobs.note.with_options(delay=seconds(DELAY / 2))
    delayed = await steward.client.enqueue_many(later.call() for _ in range(20))
    for worker in workers:
        worker.send(SIGUSR1)
    jumped_at = (await home.ledger.until("jumped", 2))[1].at
    await (await steward.client.enqueue(jobs.ask)).result()
    soon = monotonic() - jumped_at
    for each in delayed:
        await each.result()
    took = [line.at - asked_at for line in home.ledger.lines("noted")[1:]]
    home.ledger.open_gate()

    case.says(
        "clocks that jump by an hour while runs are at work",
        arq="not tried",
        steward=f"a run done after {soon:.2f} s, those delayed by {DELAY / 2:g} s begun after"
        f" {min(took):.2f} to {max(took):.2f} s; none twice",
    )
    assert soon < 2
    assert min(took) >= DELAY / 2
    assert max(took) < DELAY / 2 + 2
    assert [await each.result() for each in held] == [1] * 20
    assert home.ledger.lines("begun") == begun
    assert len(home.ledger.lines("noted")) == 21
    assert all(worker.is_alive for worker in workers)


def _worker(home: Home, **variables: str) -> WorkerProcess:
    chosen = {"LIFE_SHIFT": "0", "STEWARD_WORKER__LEASE": str(LEASE)}
    return home.worker(program=SHIFTED, **(chosen | variables))
