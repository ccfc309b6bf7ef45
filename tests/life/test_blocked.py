"""A job that blocks its loop: its worker keeps its runs and names it, and other workers go on."""

import re
from functools import partial
from statistics import quantiles
from time import monotonic

import psutil
import pytest

from app.context import Services
from app.engine import seconds
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import LEASE, Home
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

BLOCK = 4 * LEASE.total_seconds()
PATIENT = 4.0  # s: a lease in which what looks on can begin, on a machine with much else to do
HELD = 2.5 * PATIENT
LONG = seconds(40)
TOLD = re.compile("turns again|let nothing else run")
SMALL = 16 * 2**20


@pytest.mark.case(5)
async def test_a_blocked_worker_keeps_its_runs_and_says_who_blocks_it_while_others_go_on(
    home: Home, steward: Services, case: Case, tier: Tier
) -> None:
    workers = [await home.worker().ready(steward.client) for _ in range(2)]
    handle = await steward.client.enqueue(jobs.block, BLOCK)
    (begun,) = await home.ledger.until("blocking", 1)
    blocked, other = sorted(workers, key=lambda each: each.pid != begun.pid)
    await eventually(lambda: "does not turn" in blocked.said())
    named_after = monotonic() - begun.at
    waits = sorted([await _waited(steward) for _ in range(20)])
    (seen,) = [each for each in await steward.client.workers() if each.pid == blocked.pid]

    assert await handle.result(within=LONG) == 1
    await eventually(lambda: "turns again" in blocked.said())

    p95 = quantiles(waits, n=20)[-1]
    case.says(
        f"a job that blocks the loop for {BLOCK:g} s",
        arq="its health key is gone; with a short lease it runs twice",
        steward=f"named after {named_after:.1f} s, begun once; p95 {p95 * 1000:.0f} ms beside it",
    )
    assert [line.pid for line in home.ledger.lines("blocking")] == [blocked.pid]
    assert {line.pid for line in home.ledger.lines("noted")} == {other.pid}
    assert f"does not turn: life.block (run {handle.id}) blocked it, at " in blocked.said()
    assert "jobs.py:" in blocked.said()
    assert seen.blocked > seconds(0)
    assert waits[-1] < BLOCK
    assert named_after <= tier.bound(1, loose=BLOCK)
    assert p95 <= tier.bound(0.5, loose=BLOCK)
    assert blocked.is_alive


@pytest.mark.case(5)
async def test_one_that_is_blocked_for_too_long_is_replaced_and_its_run_goes_elsewhere(
    home: Home, steward: Services, case: Case, tier: Tier
) -> None:
    supervisor = home.supervisor(2, STEWARD_WORKER__MAX_BLOCK="3", STEWARD_WORKER__GRACE="0")
    await steward.client.enqueue(jobs.block, 30)

    first, second = await home.ledger.until("blocking", 2)

    recovered = second.at - first.at
    case.says(
        "a job that blocks the loop for longer than it may",
        arq="nothing else runs until it ends",
        steward=f"the process ends, and it begins elsewhere after {recovered:.1f} s",
    )
    assert second.pid != first.pid
    assert (first.attempt, second.attempt) == (1, 2)
    assert recovered <= 3 + 2 * LEASE.total_seconds() + tier.bound(0, loose=5)
    assert f"worker process {first.pid} ended with exit code 70" in supervisor.said()
    assert "blocked this worker for 3 s; it ends itself" in supervisor.said()


@pytest.mark.case(5)
@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_a_call_that_keeps_the_interpreter_keeps_its_run_and_is_named_meanwhile(
    home: Home, steward: Services, case: Case, tier: Tier, *, thread: bool
) -> None:
    workers = [
        await home.worker(STEWARD_WORKER__LEASE=str(PATIENT)).ready(steward.client)
        for _ in range(2)
    ]
    handle = await steward.client.enqueue(jobs.seize, HELD, thread=thread)
    (begun,) = await home.ledger.until("seizing", 1)
    held, other = sorted(workers, key=lambda each: each.pid != begun.pid)
    await eventually(lambda: "in _keep_interpreter" in held.said())
    named_after = monotonic() - begun.at
    await eventually(partial(_is_told, steward, held.pid))
    waits = [await _waited(steward) for _ in range(10)]
    is_held = not home.ledger.lines("let go")

    assert await handle.result(within=LONG) == 1
    await eventually(lambda: TOLD.search(held.said()))
    (let_go,) = home.ledger.lines("let go")
    took = let_go.at - begun.at
    await eventually(partial(_has_guardian, held))

    case.says(
        f"a call that lets no other thread run for {took:.0f} s",
        arq="its health key is gone; with a short lease it runs twice",
        steward=f"named after {named_after:.1f} s, begun once; {max(waits):.2f} s beside it",
    )
    assert is_held
    assert took > 2 * PATIENT
    assert [line.pid for line in home.ledger.lines("seizing")] == [held.pid]
    assert {line.pid for line in home.ledger.lines("noted")} == {other.pid}
    assert "jobs.py" in held.said()
    assert f"worker process {held.pid}: nothing has run in it" in held.said()
    assert named_after <= tier.bound(1.2, loose=HELD)


@pytest.mark.case(5)
async def test_a_call_that_keeps_the_interpreter_for_too_long_costs_the_process(
    home: Home, steward: Services, case: Case, tier: Tier
) -> None:
    supervisor = home.supervisor(2, STEWARD_WORKER__MAX_BLOCK="3", STEWARD_WORKER__GRACE="0")
    await steward.client.enqueue(jobs.seize, 60, thread=False)

    first, second = await home.ledger.until("seizing", 2)

    recovered = second.at - first.at
    case.says(
        "a call that lets no other thread run for longer than it may",
        arq="nothing else runs until it ends",
        steward=f"the process is ended, and it begins elsewhere after {recovered:.1f} s",
    )
    assert second.pid != first.pid
    assert (first.attempt, second.attempt) == (1, 2)
    assert recovered <= 3 + 2 * LEASE.total_seconds() + tier.bound(0, loose=5)
    assert f"worker process {first.pid}: a call has held it for 3 s" in supervisor.said()


async def _is_told(steward: Services, pid: int) -> bool:
    """Whether whoever looks on hears that it is blocked."""
    return any(each.pid == pid and each.blocked for each in await steward.client.workers())


def _has_guardian(worker: WorkerProcess) -> bool:
    """Whether a process is beside it again that has not had to do anything yet."""
    beside = map(psutil.Process, worker.children())
    return [each.memory_info().rss < SMALL for each in beside] == [True]


async def _waited(steward: Services) -> float:
    """How long a run took that others than the blocked worker can do."""
    before = monotonic()
    await (await steward.client.enqueue(jobs.note)).result(within=LONG)
    return monotonic() - before
