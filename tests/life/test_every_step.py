"""Workers killed at each of their calls to Redis, before it and after: who comes next goes on."""

from pathlib import Path
from random import Random

import pytest

from storm.jobs import calls
from tests.life.scaffold import scaffolding
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

FRESH = 5  # runs for each victim, beside those that the ones before it have left


@pytest.mark.case(10)
@pytest.mark.timeout(600)
async def test_a_worker_may_die_at_any_call(
    tmp_path: Path, tier: Tier, seed: int, case: Case
) -> None:
    chance, spots = Random(seed), range(tier.of(8, 2), tier.of(17, 42), tier.of(8, 1))
    async with scaffolding(tmp_path) as scaffold:
        witness = scaffold.witness
        for spot in spots:
            for is_late in (False, True):
                handles = await witness.client.enqueue_many(calls(chance, FRESH))
                witness.accept(*(each.id for each in handles))
                await scaffold.behead(spot, is_late=is_late)

        survivor = scaffold.start()
        await scaffold.all_over()
        tally = await scaffold.judged(survivor)

    case.says(
        f"kill -9 just before or after call {spots[0]} to {spots[-1]} of {len(witness.killed)}"
        f" workers, {tally.accepted} runs",
        arq="each of its runs waits for 310 s",
        steward=f"0 lost, {tally.rerun} re-run, {tally.dead} dead as they should be",
    )
    assert len(witness.killed) == 2 * len(spots)
    assert tally.accepted == tally.completed + tally.dead == 2 * len(spots) * FRESH
