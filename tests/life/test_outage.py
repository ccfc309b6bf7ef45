"""Redis goes away under work, and comes back: the same workers go on, and nothing is done twice."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from signal import SIGKILL
from time import monotonic

import anyio
import psutil
import pytest

from app.context import Services
from app.engine import Handle, seconds
from tests import servers
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import LEASE, Home
from tests.life.processes import WorkerProcess
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.servers import Server

SOON = seconds(20)


@pytest.fixture
async def server(home: Home) -> AsyncGenerator[Server]:
    """A Redis that a test may stop; it keeps what it was given.

    With `everysec` it would not, while a busy machine's disk takes long for the sync before.
    """
    with servers.folder() as place:
        durable = {"appendonly": "yes", "appendfsync": "no"}
        async with servers.running(servers.program("valkey"), place, **durable) as running:
            home.lives_on(running)
            yield running


@pytest.fixture
async def steward(home: Home, server: Server) -> AsyncGenerator[Services]:
    """The inside of the home, on that server."""
    assert home.redis_url == server.url
    async with home.open() as services:
        yield services


@pytest.mark.case(13)
async def test_a_server_that_is_killed_under_load_costs_no_run_and_no_worker(
    home: Home, server: Server, steward: Services, case: Case, tier: Tier
) -> None:
    worker = await home.worker().ready(steward.client)
    held = await steward.client.enqueue_many(jobs.hold.call() for _ in range(20))
    await home.ledger.until("begun", 20)

    async with _enqueuing(steward) as noted:
        await home.ledger.until("noted", 20)
        await server.stop(SIGKILL)
        home.ledger.open_gate()
        await home.ledger.until("ended", 20)
        back_at = monotonic()
        await server.start()
        before = len(home.ledger.lines("noted"))
        resumed = (await home.ledger.until("noted", before + 20))[before].at - back_at
    results = [await each.result(within=SOON) for each in (*held, *noted)]

    lines = home.ledger.lines("noted")
    case.says(
        "kill -9 of Redis under load",
        arq="the worker ends, and what it finished meanwhile runs again",
        steward=f"{len(results)} runs, 0 lost, 0 re-run; goes on {resumed:.2f} s after the start",
    )
    assert resumed <= tier.bound(2, loose=20)
    assert results[:20] == [1] * 20  # their only attempt
    assert [line.attempt for line in home.ledger.lines("begun")] == [1] * 20
    assert sorted(line.run for line in lines) == sorted(each.id for each in noted)
    assert {line.pid for line in lines} == {worker.pid}
    assert worker.is_alive
    assert "taken over" not in worker.said()


@asynccontextmanager
async def _enqueuing(steward: Services) -> AsyncGenerator[list[Handle[int]]]:
    """Runs are enqueued, some at the same time, while the block lasts; those that were stored."""
    handles = list[Handle[int]]()

    async def enqueue() -> None:
        while True:
            with anyio.CancelScope(shield=True):
                handles.append(await steward.client.enqueue(jobs.note))
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(enqueue)
        yield handles
        group.cancel_scope.cancel()


@pytest.mark.tier("T2")
@pytest.mark.case(13)
async def test_after_an_outage_longer_than_a_lease_only_a_dead_workers_runs_are_taken_over(
    home: Home, server: Server, steward: Services, case: Case
) -> None:
    living, victim, other = [await _busy(home, steward, slots) for slots in (4, 4, 20)]
    held = home.ledger.lines("begun")

    gone_at = monotonic()
    await server.stop(SIGKILL)
    victim.send(SIGKILL)
    await eventually(lambda: monotonic() > gone_at + 1.5 * LEASE.total_seconds())
    back_at = monotonic()
    await server.start()
    again = (await home.ledger.until("begun", 12))[9:]
    for worker in (living, other):
        await worker.ready(steward.client)
    home.ledger.open_gate()
    attempts = {line.run: await _attempts(steward, line.run) for line in held}

    recovered = again[-1].at - back_at
    case.says(
        "Redis away for longer than a lease, and a worker killed meanwhile",
        arq="every worker ends; runs wait for 310 s",
        steward=f"only its runs are taken over, {recovered:.1f} s after Redis was back",
    )
    assert recovered <= 2 * LEASE.total_seconds()
    assert {line.pid for line in again} == {other.pid}  # the only one with a free slot
    assert attempts == {line.run: 1 + (line.pid == victim.pid) for line in held}
    assert len(home.ledger.lines("begun")) == 12
    assert not any("taken over" in worker.said() for worker in (living, other))


@pytest.mark.case(14)
@pytest.mark.tier("T2")
@pytest.mark.timeout(240)
async def test_ten_leases_without_redis_are_waited_for_quietly(
    home: Home, server: Server, steward: Services, case: Case
) -> None:
    busy = await _busy(home, steward, 4)
    idle = await home.worker().ready(steward.client)

    gone_at, before = monotonic(), [_spent(each) for each in (busy, idle)]
    await server.stop(SIGKILL)
    long = 10 * LEASE.total_seconds()
    await eventually(lambda: monotonic() > gone_at + long, within=seconds(2 * long))
    spent = [_spent(each) - then for each, then in zip((busy, idle), before, strict=True)]
    said = max(len(each.said().splitlines()) for each in (busy, idle))
    back_at = monotonic()
    await server.start()
    await steward.client.enqueue(jobs.note)
    resumed = (await home.ledger.until("noted", 1))[0].at - back_at
    home.ledger.open_gate()
    attempts = [await _attempts(steward, line.run) for line in home.ledger.lines("begun")]

    case.says(
        f"Redis away for ten leases, {long:g} s, a busy and an idle worker",
        arq="both end",
        steward=f"both live on {max(spent) / long:.0%} of a processor and say {said} lines;"
        f" goes on {resumed:.2f} s after the start, 0 re-run",
    )
    assert attempts == [1, 1, 1]
    assert len(home.ledger.lines("begun")) == 3
    assert max(spent) < 0.2 * long
    assert said <= long
    assert busy.is_alive
    assert idle.is_alive


def _spent(worker: WorkerProcess) -> float:
    """The processor time a worker has taken, in seconds."""
    times = psutil.Process(worker.pid).cpu_times()
    return float(times.user + times.system)


async def _busy(home: Home, steward: Services, slots: int) -> WorkerProcess:
    """A new worker in the middle of three runs; none has slots for more but the last."""
    worker = await home.worker(STEWARD_WORKER__CONCURRENCY=str(slots)).ready(steward.client)
    before = len(home.ledger.lines("begun"))
    await steward.client.enqueue_many(jobs.hold.call() for _ in range(3))
    begun = await home.ledger.until("begun", before + 3)
    assert {line.pid for line in begun[before:]} == {worker.pid}
    return worker


async def _attempts(steward: Services, run_id: str) -> int:
    attempt: int = await steward.client.run(run_id).result(within=SOON)
    return attempt
