"""A queue that holds as many runs as it may, and a Redis without memory: refused, and told so."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from arq.connections import RedisSettings

from app.engine import (
    Call,
    Client,
    Codec,
    DeclarationError,
    Handle,
    ManualClock,
    QueueFull,
    minutes,
    schedule,
)
from app.engine.redis import keys
from app.engine.roles.scheduler import Scheduler
from tests import servers
from tests.engine.conftest import QUEUES, workshop_at
from tests.engine.jobs import die, hurry, write
from tests.engine.steps import put
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.rights import asked

ROOM = 5
PATIENCE = 5.0  # s a client tries when Redis is away
LIMIT, SLOWEST, POOL = 1.0, 250, 20  # s, ms, connections


@pytest.fixture
async def narrow(
    clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[Client]:
    """A client of queues of which one has little room."""
    async with Client.open(clean_redis, codec, room={"default": ROOM}, clock=clock) as opened:
        yield opened
        await asked(opened.store.redis, "FLUSHDB")


async def ids_on(client: Client, queue: str = "default") -> list[str]:
    found: Any = await client.store.redis.zrange(keys.queue(queue), 0, -1)
    return [id.decode() for id in found]


async def test_an_enqueue_past_the_limit_is_refused_and_leaves_nothing(narrow: Client) -> None:
    for number in range(ROOM):
        await narrow.enqueue(write, str(number))
    before = await asked(narrow.store.redis, "KEYS", "*")

    with pytest.raises(QueueFull, match="queue default holds 5 runs") as refused:
        await narrow.enqueue(write.with_options(key="k", id="one-more"), "x")

    assert (refused.value.refused, refused.value.stored) == (("one-more",), ())
    assert sorted(await asked(narrow.store.redis, "KEYS", "*")) == sorted(before)
    await narrow.enqueue(hurry, "another queue")


async def test_what_is_there_already_is_found_in_a_full_queue(narrow: Client) -> None:
    first = await narrow.enqueue(write.with_options(key="k"), "x")
    named = await narrow.enqueue(write.with_options(id="chosen"), "x")
    await narrow.enqueue_many(write.call(str(number)) for number in range(ROOM - 2))

    by_key = await narrow.enqueue(write.with_options(key="k"), "x")
    by_id = await narrow.enqueue(write.with_options(id="chosen"), "x")

    assert (by_key.id, by_id.id) == (first.id, named.id)
    assert not by_key.is_new
    assert not by_id.is_new


async def test_a_run_that_ends_makes_room(clean_redis: RedisSettings, codec: Codec) -> None:
    async with workshop_at(clean_redis, codec, write) as shop:
        client = Client(shop.client.store, codec, room={"default": 1})
        await client.enqueue(write, "first")
        with pytest.raises(QueueFull):
            await client.enqueue(write, "too soon")

        await shop.drain()
        await client.enqueue(write, "second")
        await shop.drain()

        assert shop.page == ["first", "second"]


async def test_of_calls_made_together_each_has_its_own_fate(narrow: Client) -> None:
    calls = [narrow.enqueue(write, str(number)) for number in range(2 * ROOM)]
    others = [narrow.enqueue(hurry, str(number)) for number in range(ROOM)]

    answers = await asyncio.gather(*calls, *others, return_exceptions=True)

    stored = [each.id for each in answers if isinstance(each, Handle)]
    refused = [each for each in answers if isinstance(each, QueueFull)]
    assert len(refused) == ROOM
    assert stored == await ids_on(narrow) + await ids_on(narrow, "urgent")


async def test_in_bulk_what_found_no_room_is_named(narrow: Client) -> None:
    options = [f"run-{number}" for number in range(1_200)]
    calls: list[Call[Any]] = [write.with_options(id=id).call("x") for id in options]
    calls[700:700] = [hurry.with_options(id="urgent").call("x")]

    with pytest.raises(QueueFull, match="queue default holds 5 runs") as refused:
        await narrow.enqueue_many(calls)

    there = await ids_on(narrow)
    assert len(there) == ROOM
    assert set(refused.value.stored) == {*there, "urgent"}
    assert refused.value.refused == tuple(id for id in options if id not in there)
    assert await ids_on(narrow, "urgent") == ["urgent"]


async def test_what_the_clock_starts_and_what_is_replayed_finds_room_in_a_full_queue(
    narrow: Client, clock: ManualClock
) -> None:
    scheduler = Scheduler([schedule("* * * * *", write.call("tick"))], narrow)
    await scheduler.fire_due()
    await narrow.enqueue_many(write.call(str(number)) for number in range(ROOM))
    clock.advance(minutes(1))

    await scheduler.fire_due()

    assert len(await ids_on(narrow)) == ROOM + 1


async def test_room_for_a_queue_that_does_not_exist_is_refused(
    client: Client, codec: Codec
) -> None:
    with pytest.raises(DeclarationError, match="'emial'"):
        Client(client.store, codec, queues=QUEUES, room={"emial": 1})


@pytest.mark.case(35)
async def test_a_burst_of_many_producers_fills_the_queue_and_no_more(
    clean_redis: RedisSettings, codec: Codec, tier: Tier, seed: int, case: Case
) -> None:
    count, room, producers = tier.of(4_000, 20_000), tier.of(3_000, 15_000), 50
    chance, took, stored, refused = random.Random(seed), list[float](), list[str](), 0
    shares: Sequence[list[str]] = [[] for _ in range(producers)]
    for number in range(count):
        chance.choice(shares).append(f"run-{number}")
    async with Client.open(clean_redis, codec, room={"default": room}) as client:

        async def produce(ids: Sequence[str]) -> None:
            nonlocal refused
            for id in ids:
                begun = time.perf_counter()
                try:
                    stored.append((await client.enqueue(write.with_options(id=id), id)).id)
                except QueueFull:
                    refused += 1
                took.append(time.perf_counter() - begun)

        await asyncio.gather(*(produce(ids) for ids in shares))
        there = await ids_on(client)
        info: Any = await client.store.redis.info("clients")
        await asked(client.store.redis, "FLUSHDB")

    p99 = sorted(took)[round(len(took) * 0.99)] * 1000
    assert set(there) == set(stored)
    assert (len(stored), refused) == (room, count - room)
    assert int(info["connected_clients"]) <= POOL
    assert p99 < tier.bound(SLOWEST, loose=10 * SLOWEST)
    case.says(
        f"{producers} producers enqueue {count:,} runs where {room:,} have room",
        steward=f"{len(stored):,} stored, {refused:,} QueueFull, 0 lost, p99 {p99:.1f} ms",
        arq="no limit: all are stored, until Redis has no memory left",
    )


@pytest.mark.case(23)
@pytest.mark.parametrize("name", servers.PROGRAMS)
async def test_without_memory_an_enqueue_is_refused_at_once_and_stores_nothing(
    name: str, codec: Codec, tier: Tier, case: Case
) -> None:
    with servers.folder() as place:
        async with (
            servers.running(servers.program(name), place) as server,
            workshop_at(server.settings, codec, write, die) as shop,
        ):
            first = await put(shop.client, write, "first")
            await asked(server.nearby, "CONFIG", "SET", "maxmemory", 1)
            begun = time.perf_counter()

            with pytest.raises(QueueFull, match="OOM"):
                await shop.client.enqueue(write.with_options(key="k"), "refused")
            took = time.perf_counter() - begun
            with pytest.raises(QueueFull) as refused:
                await shop.client.enqueue_many(write.call(str(n)) for n in range(700))

            assert len(refused.value.refused) == 700
            assert await ids_on(shop.client) == [first]
            assert await asked(shop.client.store.redis, "KEYS", "steward:unique:*") == []
            await asked(server.nearby, "CONFIG", "SET", "maxmemory", 0)
            assert (await shop.client.enqueue(write.with_options(key="k"), "now")).is_new
            await shop.drain()
            assert shop.page == ["first", "now"]
            assert took <= tier.bound(LIMIT, loose=PATIENCE)
    case.says(
        f"{name} is at its maxmemory when a client enqueues",
        steward=f"QueueFull after {took * 1000:.0f} ms, nothing stored; stored once there is room",
        arq="an exception of redis-py's, and its worker dies",
    )
