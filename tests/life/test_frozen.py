"""A worker that is frozen for longer than its lease, as on a machine that slept: it comes back too
late for its run, and goes on with others."""

from signal import SIGCONT, SIGSTOP
from time import monotonic

import pytest

from app.context import Services
from app.engine import Ending, RunStatus, seconds
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import LEASE, Home, history
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier


@pytest.mark.case(9)
async def test_what_a_frozen_worker_brings_too_late_is_dropped(
    home: Home, steward: Services, case: Case, tier: Tier
) -> None:
    frozen = await home.worker().ready(steward.client)
    handle = await steward.client.enqueue(jobs.hold)
    await home.ledger.until("begun", 1)
    other = await home.worker().ready(steward.client)

    frozen.send(SIGSTOP)
    frozen_at = monotonic()
    first, second = await home.ledger.until("begun", 2)
    home.ledger.open_gate()
    result = await handle.result(within=2 * LEASE + seconds(10))
    told = await history(steward, handle.id)
    frozen.send(SIGCONT)

    async def has_dropped_it() -> bool:
        return "its outcome here is dropped" in frozen.said()

    await eventually(has_dropped_it)
    await eventually(lambda: _all_alive(steward, {frozen.pid, other.pid}))
    case.says(
        "SIGSTOP of a worker for more than its lease, then SIGCONT",
        arq="both finish it, and the later one's result stands",
        steward=f"begun elsewhere after {second.at - frozen_at:.1f} s; what came late is dropped",
    )
    assert second.at - frozen_at <= 2 * LEASE.total_seconds() + tier.bound(0, loose=5)
    assert "does not turn" not in frozen.said()  # it stood still, and no job was in its way
    assert (first.pid, second.pid) == (frozen.pid, other.pid)
    assert (result, await handle.status()) == (2, RunStatus.SUCCEEDED)
    assert await history(steward, handle.id) == told
    assert (told.attempts, told.status) == (2, Ending.SUCCEEDED)
    assert {line.pid for line in home.ledger.lines("ended")} == {frozen.pid, other.pid}


async def _all_alive(steward: Services, pids: set[int]) -> bool:
    return {each.pid for each in await steward.client.workers()} == pids
