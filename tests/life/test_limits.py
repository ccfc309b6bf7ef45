"""Limits over several workers, one of which is killed: never passed, and not held by the dead."""

from collections.abc import Sequence
from itertools import accumulate
from signal import SIGKILL
from time import monotonic
from typing import Any

from app.context import Services
from app.engine import RunStatus, seconds
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import LEASE, Home
from tests.life.ledger import Line

SOON = seconds(30)
MOST = 3


async def test_a_killed_workers_places_are_free_within_its_lease_and_no_limit_is_passed(
    home: Home, steward: Services
) -> None:
    victim = await home.worker().ready(steward.client)
    held = [await steward.client.enqueue(jobs.visit, "ann", "gate") for _ in range(MOST)]
    await home.ledger.until("ann begun", MOST)
    for _ in range(2):
        await home.worker().ready(steward.client)
    waiting = await steward.client.enqueue_many(jobs.visit.call("ann") for _ in range(30))
    others = await steward.client.enqueue_many(jobs.visit.call("bob") for _ in range(30))
    for each in others:
        await each.result(within=SOON)
    await eventually(lambda: _all_wait(waiting))
    assert len(home.ledger.lines("ann begun")) == MOST

    victim.send(SIGKILL)
    await victim.exit_code()
    killed_at = monotonic()
    home.ledger.open_gate()
    attempts = [await each.result(within=SOON) for each in (*held, *waiting)]

    begun = home.ledger.lines("ann begun")
    freed = begun[MOST].at - killed_at
    print(f"3 places of a killed worker were free after {freed:.1f} s; at most {MOST} at once")
    assert freed <= 2 * LEASE.total_seconds()
    assert attempts == [2] * MOST + [1] * 30
    dead = {victim.pid: killed_at}
    assert _most_at_once(begun, home.ledger.lines("ann ended"), dead) == MOST
    assert _most_at_once(home.ledger.lines("bob begun"), home.ledger.lines("bob ended"), {}) <= MOST
    await eventually(lambda: _nothing_is_left(steward))


async def test_a_rate_holds_for_all_workers_together(home: Home, steward: Services) -> None:
    calls = [jobs.knock.call() for _ in range(25)]
    handles = await steward.client.enqueue_many(calls)
    for _ in range(2):
        await home.worker().ready(steward.client)
    for each in handles:
        await each.result(within=SOON)

    times = [line.at for line in home.ledger.lines("knocked")]
    spans = [later - first for first, later in zip(times, times[10:], strict=False)]
    print(f"of 10 starts a second, any 11 took {min(spans):.2f} s or more")
    assert len(times) == 25
    assert min(spans) > 0.8  # a start may be a moment later than its admission


async def _all_wait(handles: Sequence[Any]) -> bool:
    return {await each.status() for each in handles} == {RunStatus.DEFERRED}


async def _nothing_is_left(steward: Services) -> bool:
    redis: Any = steward.client.store.redis
    return not await redis.keys("steward:p[lu]*") and not await redis.keys("steward:[lg]*")


def _most_at_once(begun: Sequence[Line], ended: Sequence[Line], dead: dict[int, float]) -> int:
    """How many were at work at once, where a killed process's attempts end with it."""
    ins = [(line.at, 1) for line in begun]
    outs = [(line.at, -1) for line in ended]
    cut = [(dead[line.pid], -1) for line in begun if line.pid in dead]
    return max(accumulate(change for _, change in sorted(ins + outs + cut)))
