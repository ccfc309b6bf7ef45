"""A home's judge finds each kind of breach when its story ends, and no other."""

import asyncio
import os
import sys
from asyncio import Task
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from signal import SIGKILL
from time import monotonic
from typing import Any

import pytest

from app.context import Services
from app.engine import seconds
from app.engine.redis import keys
from tests.engine.steps import buried, claim, completed
from tests.eventually import eventually
from tests.life import jobs
from tests.life.attempts import BEGUN
from tests.life.home import Home
from tests.life.processes import WorkerProcess
from tests.life.promises import EFFECT
from tests.rights import asked

ONE, OTHER = "host-101-aa", "host-102-bb"


@asynccontextmanager
async def a_story(home: Home, breach: str = "") -> AsyncGenerator[Services]:
    """One run is over, one is dead, one at work and one waits; in the end there is this breach."""
    opened = home.open()
    steward = await opened.__aenter__()
    store = steward.client.store
    for id in ("over", "dead", "held"):
        await steward.client.enqueue(jobs.note.with_options(id=id))
    first, second, _ = (await claim(store, queues=[jobs.note.queue])).runs
    await store.commit([completed(first), buried(second)])
    await steward.client.enqueue(jobs.note.with_options(id="waiting"))
    yield steward
    if breach:
        with pytest.raises(AssertionError, match=breach):
            await opened.__aexit__(None, None, None)
    else:
        await opened.__aexit__(None, None, None)


def a_program(home: Home, code: str) -> WorkerProcess:
    """What is no worker, and may be one for all that the judge knows."""
    return home.worker("-c", code, program=(sys.executable,))


async def test_a_home_in_order_is_not_blamed(home: Home) -> None:
    async with a_story(home) as steward:
        await steward.client.store.redis.delete(keys.result("over"))  # not kept any longer
        sleeper = a_program(home, "import time; time.sleep(60)")

    assert not sleeper.is_alive


DISORDER: dict[str, tuple[str, tuple[Any, ...]]] = {
    "a payload lost": ("I1: run waiting", ("DEL", keys.payload("waiting"))),
    "in two places": ("I1: run over", ("ZADD", keys.queue(jobs.note.queue), 1, "over")),
    "a letter emptied": ("I1: run dead", ("HDEL", keys.dead_letter("dead"), "payload")),
    "a letter not listed": ("I1: run dead", ("ZREM", keys.DEAD, "dead")),
    "a key of nobody": ("I8: unique key", ("SET", keys.UNIQUE + "welcome", "gone|")),
    "a place of the dead": (
        "I8: steward:places:ann: gone",
        ("HSET", keys.PLACES + "ann", "gone", f"{ONE}:1"),
    ),
    "a key of no kind": ("I8: steward:stray", ("SET", "steward:stray", 1)),
}


@pytest.mark.parametrize(("breach", "command"), DISORDER.values(), ids=DISORDER.keys())
async def test_disorder_is_named(home: Home, breach: str, command: tuple[Any, ...]) -> None:
    async with a_story(home, breach) as steward:
        await asked(steward.client.store.redis, *command)


async def test_i2_a_success_that_nobody_did_is_named(home: Home) -> None:
    async with a_story(home, "I2: run over is called a success, and was not done"):
        home.ledger.write(BEGUN, run="over", attempt=1)


async def test_i3_an_effect_that_happened_twice_is_named(home: Home) -> None:
    async with a_story(home, "I3: effect pay happened 2 times"):
        for attempt in (1, 2):
            home.ledger.write(EFFECT, run="over", attempt=attempt, key="pay")


async def test_i4_a_second_commit_is_named(home: Home) -> None:
    async with a_story(home, "I4: run over was ended 2 times") as steward:
        redis = steward.client.store.redis
        entries: Any = await redis.xrange(keys.EVENTS)
        await redis.xadd(keys.EVENTS, entries[0][1])


@pytest.mark.not_by(why="the way's own server has another journal")
async def test_i4_a_lease_taken_from_the_living_is_named(home: Home) -> None:
    async with a_story(home, "I4: run waiting was taken from 101, alive") as steward:
        redis = steward.client.store.redis
        await redis.set(keys.worker(ONE), "", px=1)
        await eventually(lambda: _is_gone(redis, keys.worker(ONE)))
        await redis.set(keys.worker(ONE), "", px=60_000)
        await redis.set(keys.lease("waiting"), f"{ONE}:1", px=60_000)
        await redis.set(keys.lease("waiting"), f"{OTHER}:1", px=60_000)
        await redis.delete(keys.worker(ONE))


async def test_i5_a_run_that_begins_again_too_late_is_named(home: Home) -> None:
    async with a_story(home, "I5: a killed worker's run waited for"):
        victim = _a_victim(home)
        home.ledger.write(BEGUN, run="held", attempt=1, pid=victim.pid)
        victim.send(SIGKILL)
        late = monotonic() + 0.1
        await eventually(lambda: monotonic() > late)
        home.ledger.write(BEGUN, run="held", attempt=2)


async def test_i5_a_run_that_does_not_begin_again_is_named(home: Home) -> None:
    async with a_story(home, "I5: a killed worker's run waited for"):
        victim = _a_victim(home)
        home.ledger.write("tried", run="held", attempt=1, pid=victim.pid)
        victim.send(SIGKILL)
        late = monotonic() + 0.1
        await eventually(lambda: monotonic() > late)


async def test_i6_a_worker_that_ended_by_itself_is_named(home: Home) -> None:
    async with a_story(home, "I6: worker .* ended by itself"):
        ended = a_program(home, "")
        await eventually(lambda: not ended.is_alive)


async def test_i6_one_that_a_supervisor_had_to_replace_is_named(home: Home) -> None:
    told = "worker process 101 was killed by SIGKILL after 1.0 s; another takes its place"
    async with a_story(home, "I6: worker 101 ended by itself"):
        supervisor = a_program(home, f"import time; print({told!r}, flush=True); time.sleep(60)")
        await eventually(lambda: told in supervisor.said())


async def test_i6_who_may_end_is_not_blamed(home: Home) -> None:
    async with a_story(home):
        ended = a_program(home, "")
        home.may_end(ended)
        await eventually(lambda: not ended.is_alive)


async def test_i7_a_run_that_is_in_no_place_for_a_while_is_named(home: Home) -> None:
    async with a_story(home, "I7: run waiting, during the case: queued") as steward:
        redis = steward.client.store.redis
        payload: Any = await redis.get(keys.payload("waiting"))
        await redis.delete(keys.payload("waiting"))
        await eventually(lambda: home.witness.torn)
        await redis.set(keys.payload("waiting"), payload)


async def test_i7_a_story_that_nobody_looked_at_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.life.onlooker._SHORT", 0.0)
    monkeypatch.setattr("tests.life.onlooker.Onlooker.look", asyncio.Event().wait)
    async with a_story(home, "I7: no sample was taken"):
        pass


async def test_i8_a_sign_of_a_worker_that_left_in_order_is_named(home: Home) -> None:
    async with a_story(home, "I8: steward:worker:host-.*-aa") as steward:
        ended = a_program(home, "")
        assert await ended.exit_code() == 0
        redis = steward.client.store.redis
        await redis.set(keys.worker(f"host-{ended.pid}-aa"), "", px=60_000)


async def test_i8_a_task_and_a_descriptor_that_stay_are_named(home: Home) -> None:
    async with a_story(home, "I8: task .*\nI8: 1 descriptors of /dev/null"):
        task: Task[Any] = asyncio.create_task(asyncio.Event().wait())
        descriptor = os.open(os.devnull, os.O_RDONLY)

    task.cancel()
    os.close(descriptor)


async def test_a_redis_that_is_away_can_not_be_asked(home: Home) -> None:
    async with home.open() as steward:
        await steward.client.enqueue(jobs.note.with_options(delay=seconds(60)))
        home.redis_url = "redis://127.0.0.1:1"


def _a_victim(home: Home) -> WorkerProcess:
    """Somebody to be killed, where hardly any time is given to go on."""
    victim = a_program(home, "import time; time.sleep(60)")
    home.lease = home.witness.limit = 0.01
    return victim


async def _is_gone(redis: Any, key: str) -> bool:
    return not await redis.exists(key)
