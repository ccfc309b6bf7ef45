"""Processes killed at each of their calls to Redis, before it and after: the others go on."""

from pathlib import Path

import pytest

from app.engine import Finding
from tests.life.scaffold import scaffolding
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

ASKED = 8  # runs that one who enqueues asks for


@pytest.mark.case(10)
@pytest.mark.timeout(600)
async def test_a_process_may_die_at_any_call(
    tmp_path: Path, tier: Tier, seed: int, case: Case
) -> None:
    working = range(tier.of(8, 2), tier.of(17, 42), tier.of(8, 1))
    asking = range(tier.of(4, 1), tier.of(5, 16))
    found = list[Finding]()
    async with scaffolding(tmp_path, seed=seed, limit=tier.bound(2, loose=15)) as scaffold:
        survivor = scaffold.start()
        for is_late in (False, True):
            for spot in working:
                await scaffold.meddler.set_back()
                found += await scaffold.behead(spot, is_late=is_late)
            for spot in asking:
                found += await scaffold.behead(spot, is_late=is_late, asking=ASKED)

        await scaffold.all_over()
        found += await scaffold.examined()
        tally = await scaffold.judged(survivor)

    killed = len(scaffold.witness.killed)
    case.says(
        f"kill -9 just before or after a call, up to the {working[-1]}th of a worker and the"
        f" {asking[-1]}th of who enqueues: {killed} processes, {tally.accepted} runs",
        arq="each of its runs waits for 310 s",
        steward=f"0 lost, {tally.rerun} re-run, {tally.dead} dead as they should be,"
        f" {tally.cancelled} cancelled, a doctor finds nothing",
    )
    assert found == []
    assert killed == 2 * (len(working) + len(asking))
    assert tally.accepted == tally.completed + tally.dead + tally.cancelled
