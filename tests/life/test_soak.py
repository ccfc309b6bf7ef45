"""Thousands of runs on every path through one worker: afterwards it is as large as before."""

from pathlib import Path
from random import Random

import psutil
import pytest

from storm.jobs import calls
from tests.life.processes import WorkerProcess
from tests.life.scaffold import Scaffold, scaffolding
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

WARM, MOST_GROWTH = 2_000, 20.0  # runs; MiB
MIB = 2**20


@pytest.mark.case(44)
@pytest.mark.tier("T2")
@pytest.mark.timeout(900)
async def test_a_worker_does_not_grow(tmp_path: Path, tier: Tier, seed: int, case: Case) -> None:
    chance, many = Random(seed), tier.of(0, 10_000, 200_000)
    async with scaffolding(tmp_path) as scaffold:
        worker = scaffold.start(slots=50)
        await _through(scaffold, chance, WARM)
        before, opened = _memory(worker), _descriptors(worker)

        await _through(scaffold, chance, many)
        growth, open_now = _memory(worker) - before, _descriptors(worker)
        tally = await scaffold.judged(worker)

    case.says(
        f"{tally.accepted:,} runs that succeed, fail, are tried again and die, in one worker",
        steward=f"0 keys left, {open_now - opened:+d} descriptors, {growth:+.1f} MiB",
    )
    assert tally.accepted == tally.completed + tally.dead == WARM + many
    assert growth < MOST_GROWTH
    assert open_now <= opened


async def _through(scaffold: Scaffold, chance: Random, count: int) -> None:
    """Have so many done."""
    for _ in range(count // 1_000):
        handles = await scaffold.witness.client.enqueue_many(calls(chance, 1_000))
        scaffold.witness.accept(*(each.id for each in handles))
        await scaffold.all_over()


def _memory(worker: WorkerProcess) -> float:
    return float(psutil.Process(worker.pid).memory_info().rss) / MIB


def _descriptors(worker: WorkerProcess) -> int:
    return int(psutil.Process(worker.pid).num_fds())
