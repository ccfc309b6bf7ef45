"""200 runs with an effect each, and workers that are killed in the middle of them."""

from collections import Counter

import pytest

from app.context import Services
from app.engine import RunStatus, seconds
from tests.eventually import eventually
from tests.life import jobs
from tests.life.databases import everywhere
from tests.life.home import LEASE, Home
from tests.life.processes import WorkerProcess
from tests.life.witness import Witness
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

SLOTS = 20
ENDED = {RunStatus.SUCCEEDED, RunStatus.DEAD}


@everywhere
@pytest.mark.case(1)
async def test_what_asks_happens_once_or_is_in_doubt_and_what_repeats_happens(
    home: Home, steward: Services, witness: Witness, case: Case, tier: Tier
) -> None:
    runs, kills = tier.of(200, 2_000), tier.of(2, 8)
    workers = [_worker(home), _worker(home)]
    asking, repeating = list[str](), list[str]()
    for kill in range(kills):
        await workers[kill].ready(steward.client)
        before = len(home.ledger.lines("effect"))
        ids = await _paying(steward, runs // kills)
        asking, repeating = asking + ids[::2], repeating + ids[1::2]
        await home.ledger.until("effect", before + SLOTS)
        witness.kill(workers[kill])
        workers.append(_worker(home))

    statuses = await _ended(steward, [*asking, *repeating])

    happened = Counter(line.run for line in home.ledger.lines("effect"))
    doubts = {each.place.run_id for each in await steward.effects.in_doubt(limit=runs)}
    dead = {run for run, status in statuses.items() if status is RunStatus.DEAD}
    twice = sum(happened[run] > 1 for run in repeating)
    case.says(
        f"{runs} runs with an effect, {kills} workers killed -9 in the middle of them",
        arq="has nothing for effects: each is done again with its job",
        steward=f"asking: 0 twice, {len(doubts)} unknown, and listed for a person; "
        f"repeating: {twice} twice, 0 missing",
    )
    assert max(happened[run] for run in asking) == 1
    assert doubts == dead <= {*asking}
    assert all(happened[run] == 1 for run in asking if run not in dead)
    assert all(happened[run] >= 1 for run in repeating)
    assert 0 < len(doubts) + twice <= kills * SLOTS


def _worker(home: Home) -> WorkerProcess:
    return home.worker(STEWARD_WORKER__CONCURRENCY=str(SLOTS))


async def _paying(steward: Services, count: int) -> list[str]:
    """So many more runs; every other one asks."""
    calls = (jobs.pay.call(ask=number % 2 == 0) for number in range(count))
    return [each.id for each in await steward.client.enqueue_many(calls)]


async def _ended(steward: Services, runs: list[str]) -> dict[str, RunStatus]:
    """How each has ended, once all have."""
    statuses = dict.fromkeys(runs, RunStatus.QUEUED)

    async def are_over() -> bool:
        for run in runs:
            if statuses[run] not in ENDED:
                statuses[run] = await steward.client.run(run).status()
        return {*statuses.values()} <= ENDED

    await eventually(are_over, within=4 * LEASE + seconds(60))
    return statuses
