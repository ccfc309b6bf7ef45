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
from tests.life.home import Home
from tests.life.ledger import Line
from tests.rights import asked

SOON = seconds(60)
LEASE = seconds(5)  # on a busy machine a live worker must not seem dead
PATIENT = {"STEWARD_WORKER__LEASE": "5"}
MOST = 3


async def test_limits_hold_for_all_workers_and_the_places_of_a_killed_one_are_soon_free(
    home: Home, steward: Services
) -> None:
    victim = await home.worker(**PATIENT).ready(steward.client)
    held = [await steward.client.enqueue(jobs.visit, "ann", "gate") for _ in range(MOST)]
    await home.ledger.until("ann begun", MOST)
    await home.worker(**PATIENT).ready(steward.client)
    waiting = await steward.client.enqueue_many(jobs.visit.call("ann") for _ in range(30))
    others = await steward.client.enqueue_many(jobs.visit.call("bob") for _ in range(30))
    knocks = await steward.client.enqueue_many(jobs.knock.call() for _ in range(25))
    for other in others:
        await other.result(within=SOON)
    for knock in knocks:
        await knock.result(within=SOON)
    await eventually(lambda: _all_wait(waiting))
    assert len(home.ledger.lines("ann begun")) == MOST

    victim.send(SIGKILL)
    await victim.exit_code()
    killed_at = monotonic()
    home.ledger.open_gate()
    for each in (*held, *waiting):
        await each.result(within=SOON)

    begun = home.ledger.lines("ann begun")
    freed, span = begun[MOST].at - killed_at, _shortest_span(home.ledger.lines("knocked"), 10)
    print(f"{MOST} places of a killed worker were free after {freed:.1f} s")
    print(f"of 10 starts a second, any 11 took {span:.2f} s or more")
    assert freed <= 2 * LEASE.total_seconds()
    assert span > 0.8  # a start may be a moment later than its admission
    dead = {victim.pid: killed_at}
    assert _most_at_once(begun, home.ledger.lines("ann ended"), dead) == MOST
    assert _most_at_once(home.ledger.lines("bob begun"), home.ledger.lines("bob ended"), {}) <= MOST
    await eventually(lambda: _nothing_is_left(steward))


async def _all_wait(handles: Sequence[Any]) -> bool:
    return {await each.status() for each in handles} == {RunStatus.DEFERRED}


async def _nothing_is_left(steward: Services) -> bool:
    redis: Any = steward.client.store.redis
    patterns = "steward:p[lu]*", "steward:[lg]*"
    return not [key for each in patterns for key in await asked(redis, "KEYS", each)]


def _shortest_span(lines: Sequence[Line], count: int) -> float:
    """In how short a time more than `count` were written."""
    times = [line.at for line in lines]
    return min(later - first for first, later in zip(times, times[count:], strict=False))


def _most_at_once(begun: Sequence[Line], ended: Sequence[Line], dead: dict[int, float]) -> int:
    """How many were at work at once, where a killed process's attempts end with it."""
    ins = [(line.at, 1) for line in begun]
    outs = [(line.at, -1) for line in ended]
    cut = [(dead[line.pid], -1) for line in begun if line.pid in dead]
    return max(accumulate(change for _, change in sorted(ins + outs + cut)))
