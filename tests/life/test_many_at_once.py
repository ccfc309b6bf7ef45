"""Much that comes due at one moment, and a worker that has all it can hold, keep nobody waiting."""

from signal import SIGKILL
from time import monotonic

import psutil
import pytest
from arq.connections import RedisSettings

from app.context import Services
from app.engine import Codec, seconds
from tests.engine.conftest import workshop_at
from tests.engine.jobs import write
from tests.engine.stock import plain_client, plain_drain
from tests.life import jobs
from tests.life.home import LEASE, Home
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

LONG, STOCK = 150, 1_000
TIMES, LEAST = 4, 2_000  # as many a second as stock arq, and how many at least
MIB = 2**20
LONGEST_GROWTH = 50  # MiB


@pytest.mark.case(33)
@pytest.mark.timeout(400)
async def test_many_runs_due_at_once_do_not_keep_an_urgent_one_waiting(
    home: Home, steward: Services, clean_redis: RedisSettings, codec: Codec, tier: Tier, case: Case
) -> None:
    many = tier.of(10_000, 100_000)
    worker = await home.worker().ready(steward.client)
    await (await steward.client.enqueue(jobs.note)).result()
    before = _memory(worker)
    due = steward.client.store.clock.now() + seconds(tier.of(2, 20))
    later = jobs.note.with_options(at=due)
    handles = await steward.client.enqueue_many(later.call() for _ in range(many))
    (early,) = home.ledger.lines("noted")

    await home.ledger.until("noted", 2)
    begun_at = monotonic()
    urgent = await steward.client.enqueue(jobs.ask)
    waited = (await home.ledger.begin_of(urgent.id)).at - begun_at
    noted = await home.ledger.until("noted", many + 2, within=seconds(300))

    took = noted[-1].at - noted[1].at
    growth, ours = _memory(worker) - before, many / took
    stock = await _rate_of_stock(clean_redis, codec) if tier is not Tier.T1 else 0.0
    case.says(
        f"{many:,} runs due at once, and an urgent one",
        arq=f"{stock or 200:,.0f} a second, and the urgent one after all of them",
        steward=f"{ours:,.0f} a second, the urgent one after {waited * 1000:.0f} ms;"
        f" {growth:.0f} MiB more",
    )
    ids = sorted([early.run, urgent.id, *(each.id for each in handles)])
    assert sorted(line.run for line in noted) == ids
    assert waited <= tier.bound(1, loose=max(1, took / 20))
    assert growth < LONGEST_GROWTH
    assert ours > TIMES * stock
    assert ours >= tier.bound(LEAST, loose=0)


async def _rate_of_stock(redis: RedisSettings, codec: Codec) -> float:
    """How many runs a second stock arq does here and now, with nothing in them."""
    async with workshop_at(redis, codec, write) as shop, plain_client(redis, codec) as plain:
        for number in range(STOCK):
            await plain.enqueue_job(write.name, str(number))
        began = monotonic()
        await plain_drain(shop, max_jobs=100, poll_delay=0.5)
        assert len(shop.page) == STOCK
    return STOCK / (monotonic() - began)


def _memory(worker: WorkerProcess) -> float:
    return float(psutil.Process(worker.pid).memory_info().rss) / MIB


@pytest.mark.case(34)
async def test_a_worker_that_is_full_or_killed_keeps_no_new_run_waiting(
    home: Home, steward: Services, case: Case
) -> None:
    busy = await home.worker(STEWARD_WORKER__CONCURRENCY="170").ready(steward.client)
    held = await steward.client.enqueue_many(jobs.rest.call() for _ in range(LONG))
    await home.ledger.until("resting", LONG)
    idle = await home.worker(STEWARD_WORKER__CONCURRENCY="170").ready(steward.client)

    beside = await _waited(home, steward)
    busy.send(SIGKILL)
    killed_at = monotonic()
    after = await _waited(home, steward)
    again = (await home.ledger.until("resting", 2 * LONG))[LONG:]

    recovered = max(line.at for line in again) - killed_at
    case.says(
        f"an idle worker beside one with {LONG} long runs, which is killed then",
        arq="a new run waits for 28 s, and for more than 40 s after the kill",
        steward=f"it starts after {beside * 1000:.0f} and {after * 1000:.0f} ms; those again"
        f" after {recovered:.1f} s",
    )
    assert max(beside, after) <= 0.5
    assert {(line.pid, line.attempt) for line in again} == {(idle.pid, 2)}
    assert {line.run for line in again} == {each.id for each in held}
    assert recovered <= 2 * LEASE.total_seconds()


async def _waited(home: Home, steward: Services) -> float:
    before = monotonic()
    handle = await steward.client.enqueue(jobs.note)
    return (await home.ledger.begin_of(handle.id)).at - before
