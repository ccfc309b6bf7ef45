"""Thousands of runs on every path through one worker: afterwards it is as large as before."""

from functools import partial
from pathlib import Path
from signal import SIGUSR1
from time import monotonic

import psutil
import pytest

from storm.worker import TASKS
from tests.eventually import eventually
from tests.life.processes import WorkerProcess
from tests.life.scaffold import Scaffold, scaffolding
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

WARM, MOST_GROWTH, MOST_CONNECTIONS = 2_000, 20.0, 10  # runs; MiB
MIB = 2**20


@pytest.mark.case(44)
@pytest.mark.tier("T2")
@pytest.mark.timeout(0)  # as long as is wished for; each of its waits has a limit of its own
async def test_a_worker_does_not_grow(
    tmp_path: Path, tier: Tier, soak: float, seed: int, case: Case
) -> None:
    many, until = tier.of(0, 10_000, 200_000), monotonic() + soak
    async with scaffolding(tmp_path, seed=seed) as scaffold:
        worker = scaffold.start(slots=50)
        await _through(scaffold, WARM)
        before, opened = _memory(worker), _descriptors(worker)
        tasks = await _tasks(scaffold, worker)

        await _through(scaffold, many)
        while monotonic() < until:
            await _through(scaffold, WARM)
        growth = _memory(worker) - before
        open_now = await eventually(lambda: _at_most(opened, _descriptors(worker)))
        connections = _connections(worker)
        tasks_now = await eventually(partial(_no_more, scaffold, worker, tasks))
        tally = await scaffold.judged(worker)

    case.says(
        f"{tally.completed:,} runs that succeed, {tally.dead:,} that die, {tally.redriven} of them"
        f" run again, {tally.cancelled} cancelled, in one worker",
        steward=f"0 keys left, {tasks_now - tasks:+d} tasks, {open_now - opened:+d} descriptors,"
        f" {growth:+.1f} MiB",
    )
    assert tally.accepted == tally.completed + tally.dead + tally.cancelled
    assert tally.accepted > 0.9 * (WARM + many)  # some keys are held, a soak may have more
    assert min(tally.cancelled, tally.redriven) > 0
    assert growth < MOST_GROWTH
    assert connections <= MOST_CONNECTIONS


async def _through(scaffold: Scaffold, count: int) -> None:
    """Have so many done."""
    for _ in range(count // 1_000):
        await scaffold.enqueue(1_000)
        await scaffold.meddler.tick()
        await scaffold.all_over()


async def _no_more(scaffold: Scaffold, worker: WorkerProcess, tasks: int) -> int:
    """How many tasks there are, once they are no more than that; some end a moment later."""
    return _at_most(tasks, await _tasks(scaffold, worker))


def _at_most(most: int, found: int) -> int:
    """What was found, or nothing yet."""
    return found if found <= most else 0


async def _tasks(scaffold: Scaffold, worker: WorkerProcess) -> int:
    """How many there are in its loop, when it has nothing to do."""
    ledger = scaffold.witness.ledger
    before = len(ledger.lines(TASKS))
    worker.send(SIGUSR1)
    return int((await ledger.until(TASKS, before + 1))[-1].key)


def _memory(worker: WorkerProcess) -> float:
    return float(psutil.Process(worker.pid).memory_info().rss) / MIB


def _descriptors(worker: WorkerProcess) -> int:
    """Those that are no connection: of these a pool keeps as many as were needed at once."""
    return int(psutil.Process(worker.pid).num_fds()) - _connections(worker)


def _connections(worker: WorkerProcess) -> int:
    return len(psutil.Process(worker.pid).net_connections())
