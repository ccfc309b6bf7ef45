"""Inconsistencies are found, and nothing else; what is safe is mended, and the run goes on."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from app.engine import Doctor, Finding, Trouble, days, job, schedule, seconds
from app.engine.clock import LATEST_MS
from app.engine.redis import keys
from tests.engine.conftest import Open, Workshop
from tests.engine.jobs import pass_gate, write
from tests.eventually import eventually
from tests.rights import asked

Redis = Any
Break = Callable[[Redis], Awaitable[object]]


@job(name="test.unknown", queue="default")
async def unknown(_ctx: object) -> None:
    """Be known to no worker."""


def doctor(shop: Workshop, **options: Any) -> Doctor:
    return Doctor(shop.client, jobs=shop.jobs, pause=seconds(0.05), **options)


async def found(shop: Workshop, *, mend: bool = False) -> list[tuple[Trouble, str]]:
    """Without what a test without workers always has: queues that nobody serves."""
    findings = await doctor(shop).examine(mend=mend)
    return [(each.trouble, each.subject) for each in findings if each.trouble != Trouble.QUEUE]


async def lose_its_entry(redis: Redis) -> None:
    await redis.zrem(keys.queue("default"), "run")


async def park_without_a_note(redis: Redis) -> None:
    await redis.zadd(keys.queue("default"), {"run": LATEST_MS})


@pytest.mark.parametrize(
    ("break_it", "trouble"),
    [(lose_its_entry, Trouble.UNQUEUED), (park_without_a_note, Trouble.STRANDED)],
)
async def test_a_run_that_nobody_would_take_is_found_and_runs_once_it_is_mended(
    workshop: Open, break_it: Break, trouble: Trouble
) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write.with_options(id="run", delay=days(1)), "it")
        assert await found(shop) == []
        await break_it(shop.client.store.redis)

        seen = await found(shop)
        mended = await found(shop, mend=True)
        after = await found(shop)
        await shop.drain()

        assert seen == mended == [(trouble, "run")]
        assert after == []
        assert await handle.result(within=seconds(5))
        assert shop.page == ["it"]


async def test_a_run_whose_payload_is_lost_becomes_a_dead_letter(workshop: Open) -> None:
    async with workshop(write) as shop:
        await shop.client.enqueue(write.with_options(id="run", delay=days(1)), "it")
        await shop.client.store.redis.delete(keys.payload("run"))

        assert await found(shop, mend=True) == [(Trouble.PAYLOAD_LOST, "run")]
        await shop.drain()

        assert str(await shop.client.run("run").status()) == "dead"
        assert await found(shop) == []
        await asked(shop.client.store.redis, "FLUSHDB")


LEAVINGS: list[tuple[Break, Trouble, str]] = [
    (lambda redis: redis.set(keys.lease("x"), "w:1"), Trouble.LEASE, "x"),
    (lambda redis: redis.set(keys.attempts("x"), 2), Trouble.LEAVINGS, "x"),
    (lambda redis: redis.rpush(keys.FAILURES + "x", b"f"), Trouble.LEAVINGS, "x"),
    (lambda redis: redis.set(keys.UNIQUE + "k", "x|"), Trouble.KEY, "k"),
    (lambda redis: redis.hset(keys.PARKED, "x", "a.b|1|default|0"), Trouble.PARKED_LOST, "x"),
    (lambda redis: redis.zadd(keys.DEAD, {"x": 1}), Trouble.LETTER_LOST, "x"),
]


@pytest.mark.parametrize(("leave", "trouble", "subject"), LEAVINGS)
async def test_leavings_are_found_and_removed(
    workshop: Open, leave: Break, trouble: Trouble, subject: str
) -> None:
    async with workshop(write) as shop:
        await leave(shop.client.store.redis)

        seen = await found(shop)
        await found(shop, mend=True)

        assert (trouble, subject) in seen
        assert await found(shop) == []
        assert await shop.client.store.redis.dbsize() == 0


async def test_a_letter_that_no_list_has_is_listed_again(workshop: Open) -> None:
    async with workshop(write) as shop:
        redis: Redis = shop.client.store.redis
        await redis.hset(keys.dead_letter("x"), "died", "5")

        assert await found(shop, mend=True) == [(Trouble.LETTER_UNLISTED, "x")]

        assert await shop.client.store.redis.zscore(keys.DEAD, "x") == 5
        await asked(shop.client.store.redis, "FLUSHDB")


async def test_work_that_nobody_here_can_do_is_named(workshop: Open) -> None:
    async with workshop(write, unknown) as shop:
        handle = await shop.client.enqueue(unknown)
        await shop.drain(jobs=[write])
        del shop.jobs[unknown.name]
        timetable = [schedule("0 0 1 1 *", unknown.call())]

        findings = await doctor(shop, timetable=timetable).examine(mend=True)

        assert findings == [
            Finding(trouble=Trouble.SCHEDULE, subject=unknown.name, about=unknown.name),
            Finding(trouble=Trouble.QUEUE, subject="default"),
            Finding(trouble=Trouble.PARKED, subject=handle.id, about=f"{unknown.name}, version 1"),
        ]
        assert await handle.cancel()


async def test_what_another_project_keeps_there_is_left_alone(workshop: Open) -> None:
    async with workshop(write) as shop:
        redis = shop.client.store.redis
        await redis.set(keys.payload("theirs"), b"pickled, for a queue with a name of its own")
        await redis.set(keys.lease("theirs"), "1")

        assert await found(shop, mend=True) == []

        assert await redis.dbsize() == 2
        await asked(redis, "FLUSHDB")


async def test_runs_on_their_way_are_no_inconsistency(workshop: Open) -> None:
    async with workshop(write, pass_gate) as shop:
        looked = list[Finding]()
        async with shop.working():
            held = await shop.client.enqueue(pass_gate.with_options(key="held"), "held")
            for _ in range(4):
                async with anyio.create_task_group() as group:
                    group.start_soon(_enqueue_many, shop)
                    looked += await doctor(shop).examine(mend=True)
            shop.gate.set()
            assert await held.result(within=seconds(20)) == "held, attempt 1"
            await eventually(lambda: len(shop.heard) == 4 * 500 + 1, within=seconds(30))

        assert looked == []
        assert len(shop.page) == 4 * 500 + 2


async def _enqueue_many(shop: Workshop) -> None:
    await shop.client.enqueue_many(write.call(str(n)) for n in range(500))
