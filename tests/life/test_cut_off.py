"""A worker that is cut off from Redis while the others are not."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from app.connection import redis_at
from app.context import Services
from app.engine import Ending, seconds
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import LEASE, Home, history
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.proxy import Proxy, proxied

STOPPED = "out of reach for a whole lease: stopped runs: 1"


@asynccontextmanager
async def far_worker(home: Home, steward: Services) -> AsyncGenerator[tuple[WorkerProcess, Proxy]]:
    """A worker on the other side of a network."""
    async with proxied(redis_at(home.settings)) as network:
        worker = home.worker(STEWARD_REDIS__URL=network.url)
        yield await worker.ready(steward.client), network


@pytest.mark.case(21)
@pytest.mark.parametrize("how", ["cut", "freeze"])
async def test_a_worker_that_is_cut_off_stops_its_run_when_another_may_have_it(
    home: Home, steward: Services, how: str, case: Case, tier: Tier
) -> None:
    limit = 2 * LEASE.total_seconds()
    async with far_worker(home, steward) as (lonely, network):
        handle = await steward.client.enqueue(jobs.hold)
        await home.ledger.until("begun", 1)
        other = await home.worker().ready(steward.client)

        cut_at = monotonic()
        getattr(network, how)()
        first, second = await home.ledger.until("begun", 2)
        await eventually(lambda: STOPPED in lonely.said())
        home.ledger.open_gate()
        result = await handle.result(within=seconds(30))
        network.heal()

        if how == "cut":  # else it may have been on its way, and then nobody can tell whose it was
            await eventually(lambda: "its outcome here is dropped" in lonely.said())
        after = await steward.client.enqueue_many(jobs.note.call() for _ in range(20))
        for each in after:
            await each.result(within=seconds(30))

    told = await history(steward, handle.id)
    case.says(
        f"a worker alone cut off from Redis ({how})",
        arq="another runs it after 310 s; both finish it",
        steward=f"begun elsewhere after {second.at - cut_at:.1f} s, stopped here",
    )
    assert (first.pid, second.pid) == (lonely.pid, other.pid)
    assert second.at - cut_at <= tier.bound(limit, loose=3 * (limit + 5))
    assert result == 2
    assert [line.pid for line in home.ledger.lines("ended")] == [other.pid]
    assert (told.attempts, told.status) == (2, Ending.SUCCEEDED)
    assert lonely.is_alive


@pytest.mark.case(21)
async def test_what_it_finished_while_it_was_cut_off_is_committed_when_it_is_back(
    home: Home, steward: Services
) -> None:
    async with far_worker(home, steward) as (lonely, network):
        handle = await steward.client.enqueue(jobs.hold)
        await home.ledger.until("begun", 1)

        network.cut()
        home.ledger.open_gate()
        await home.ledger.until("ended", 1)
        await eventually(lambda: has_lapsed(steward))
        network.heal()
        result = await handle.result(within=seconds(30))

    assert result == 1
    assert len(home.ledger.lines("begun")) == 1
    assert STOPPED not in lonely.said()


async def has_lapsed(steward: Services) -> bool:
    return not await steward.client.workers()
