"""Workers killed while they bring what a transaction has written: each row is one run, and runs."""

import os
import sys
from collections import Counter
from functools import partial
from random import Random
from signal import SIGCONT, SIGKILL
from typing import Any

import pytest

from app.context import Services
from app.engine import seconds
from app.engine.redis import keys
from app.relay import ROUND
from tests.eventually import eventually
from tests.life import jobs
from tests.life.databases import everywhere
from tests.life.home import Home
from tests.life.mortal import DEADLY, DIED, STANDS_STILL, Step, lives
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.rights import asked

LONG = seconds(60)
NOT_YET = (Step.BEFORE_LEASE, Step.BEFORE_ENQUEUE)
GONE = (Step.AFTER_DELETE, Step.AFTER_ALL)
"""A relay that died there has deleted its rows; otherwise they are still in the database."""


@everywhere
@pytest.mark.case(10)
@pytest.mark.timeout(600)
async def test_a_relay_killed_at_any_step_makes_each_row_one_run(
    home: Home, steward: Services, tier: Tier, seed: int, case: Case
) -> None:
    chance, written, deaths, times = Random(seed), list[str](), 0, tier.of(1, 10)
    home.worker("tests.life.mortal", str(times), program=(sys.executable, "-m"))
    for gate, step in lives(times):
        written += await write(steward, chance.randint(1, ROUND // 5))
        waiting = await rows(steward)
        home.ledger.open_gate(gate)
        if step not in DEADLY:
            continue
        deaths += 1
        died = await home.ledger.until(DIED, deaths)

        assert died[-1].run == str(-SIGKILL), step
        assert await rows(steward) == (0 if step in GONE else waiting), step
        if step not in NOT_YET:
            await all_ran(home, steward, written)
            await forget(steward)

    await eventually(partial(is_empty, steward), within=LONG)
    await all_ran(home, steward, written)
    starts = Counter(line.run for line in home.ledger.lines("noted"))
    case.says(
        f"kill -9 {deaths} times at {len(DEADLY)} steps of the outbox's relay, {len(written)} rows",
        steward=f"{len(starts)} runs, {starts.total() - len(starts)} of them twice",
        arq="it has no outbox",
    )
    assert starts == Counter(written)
    await eventually(partial(marks_pass, steward))


@everywhere
@pytest.mark.case(9)
@pytest.mark.tier("T2")
async def test_a_relay_that_stood_still_for_long_makes_no_row_a_second_run(
    home: Home, steward: Services, case: Case
) -> None:
    both = home.worker("tests.life.mortal", "0", program=(sys.executable, "-m"))
    written = await write(steward, 50)
    home.ledger.open_gate("first")
    home.ledger.open_gate("still")
    (stopped,) = await home.ledger.until(STANDS_STILL, 1)
    home.ledger.open_gate("last")
    await all_ran(home, steward, written)
    await eventually(partial(is_empty, steward), within=LONG)
    await forget(steward)

    os.kill(stopped.pid, SIGCONT)
    await eventually(lambda: "the outbox is read anew" in both.said(), within=LONG)
    later = await write(steward, 1)
    await all_ran(home, steward, later)

    starts = Counter(line.run for line in home.ledger.lines("noted"))
    case.says(
        "SIGSTOP of the outbox's relay before it enqueues what it has read, 50 rows",
        steward=f"{len(starts) - 1} runs, {starts.total() - len(starts)} of them twice",
        arq="it has no outbox",
    )
    assert starts == Counter(written + later)


async def marks_pass(steward: Services) -> bool:
    """Whether those that are left, of rows that were deleted just before a death, will expire."""
    redis = steward.client.store.redis
    async with redis.pipeline(transaction=False) as pipe:
        for mark in await asked(redis, "KEYS", keys.BROUGHT + "*"):
            pipe.pttl(mark)
        left: list[int] = await pipe.execute()
    return await rows(steward) == 0 and all(each > 0 for each in left)


async def write(steward: Services, count: int) -> list[str]:
    async with steward.database.write() as session:
        return [(await steward.outbox.enqueue(session, jobs.note)).id for _ in range(count)]


async def all_ran(home: Home, steward: Services, ids: list[str]) -> None:
    async def look() -> bool:
        begun = {line.run for line in home.ledger.lines("noted")}
        waiting = await steward.client.store.redis.exists(*map(keys.payload, ids))
        return begun.issuperset(ids) and not waiting

    await eventually(look, within=LONG)


async def forget(steward: Services) -> None:
    """As if it were long ago: of what is over nothing is kept any more."""
    redis: Any = steward.client.store.redis
    left = [
        *await asked(redis, "KEYS", keys.RESULT + "*"),
        *await asked(redis, "KEYS", keys.FINISHED + "*"),
    ]
    await redis.delete(*left)


async def rows(steward: Services) -> int:
    return (await steward.outbox.standing()).waiting


async def is_empty(steward: Services) -> bool:
    return not await rows(steward)
