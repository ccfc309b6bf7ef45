"""A run that is enqueued while a worker waits is handed to it: no claim has to bring it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, Job, ManualClock, RunStatus, Worker, hours, job, seconds
from app.engine.redis import keys
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from app.engine.run import Claim
from tests.engine.conftest import QUEUES, Bench, Open, Workshop, workshop_at
from tests.engine.jobs import die, hurry, pass_gate, write
from tests.engine.steps import alive, claimed_ids
from tests.eventually import eventually
from tests.proxy import proxied
from tests.rights import asked

pytestmark = pytest.mark.not_by("resp2", why="with it a server tells nothing")

RARELY, SOON = seconds(30), seconds(10)
JOBS: tuple[Job[Any, ..., Any], ...] = (write, hurry, pass_gate, die)


class StubbornStore(Store):
    """Claims as often as it is let."""

    def __init__(self, client: Client) -> None:
        super().__init__(client.store.redis, client.store.clock)
        self.gate = anyio.Event()
        self.gate.set()

    async def claim(self, *args: Any, **options: Any) -> Claim:
        """Wait until claims are let through."""
        await self.gate.wait()
        return await super().claim(*args, **options)


@pytest.fixture
async def stranger(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[Client]:
    """A client in a process of its own, as far as Redis can tell."""
    async with Client.open(clean_redis, codec) as opened:
        yield opened


async def offers(client: Client, worker: Worker[Any]) -> bool:
    """Whether this worker waits for a run to be handed to it."""
    offer: Any = await client.store.redis.get(keys.offer(worker.id))
    return offer is not None and offer != b"taken"


@asynccontextmanager
async def offering(shop: Workshop, client: Client, **options: Any) -> AsyncGenerator[Worker[Bench]]:
    """A worker that has made its offer."""
    async with shop.working(poll=RARELY, **options) as worker:
        await eventually(lambda: shop.client.store.redis.exists(keys.worker(worker.id)))
        await (await client.enqueue(write, "first")).result(within=SOON)
        await eventually(lambda: offers(client, worker))
        yield worker


async def test_a_run_is_leased_to_the_worker_that_waits_and_starts_without_a_claim(
    workshop: Open, stranger: Client
) -> None:
    async with workshop(*JOBS) as shop:
        store = StubbornStore(shop.client)
        client = Client(store, shop.client.codec, jobs=shop.jobs, queues=QUEUES)
        async with offering(replace(shop, client=client), stranger) as worker:
            store.gate = anyio.Event()
            handle = await stranger.enqueue(pass_gate, "it")
            lease: Any = await stranger.store.redis.get(keys.lease(handle.id))

            assert lease == f"{worker.id}:1".encode()
            assert await handle.status() is RunStatus.RUNNING
            await eventually(lambda: "it waits" in shop.page, within=SOON)
            shop.gate.set()
            assert await handle.result(within=SOON) == "it, attempt 1"
            store.gate.set()


async def test_an_offer_is_for_every_queue_of_the_worker(workshop: Open, stranger: Client) -> None:
    async with workshop(*JOBS) as shop, offering(shop, stranger) as worker:
        handle = await stranger.enqueue(hurry, "it")

        lease: Any = await stranger.store.redis.get(keys.lease(handle.id))
        assert lease in {f"{worker.id}:1".encode(), None}  # None: it is over
        await handle.result(within=SOON)
        assert shop.page == ["first", "it"]


async def test_who_runs_something_makes_no_offer(workshop: Open, stranger: Client) -> None:
    async with workshop(*JOBS) as shop, offering(shop, stranger) as worker:
        held = await stranger.enqueue(pass_gate, "it")
        await eventually(lambda: "it waits" in shop.page, within=SOON)
        for n in range(3):
            await (await stranger.enqueue(write, str(n))).result(within=SOON)

            assert not await offers(stranger, worker)
        shop.gate.set()
        await held.result(within=SOON)
        await eventually(lambda: offers(stranger, worker), within=SOON)


async def test_one_slot_never_holds_two_runs(workshop: Open, stranger: Client) -> None:
    at_work, most = list[str](), list[int]()

    @job(name="test.alone", queue="default")
    async def alone(ctx: Bench) -> None:
        at_work.append(ctx.attempt.run_id)
        most.append(len(at_work))
        await anyio.lowlevel.checkpoint()
        at_work.remove(ctx.attempt.run_id)

    async def enqueue(shop: Workshop, count: int) -> None:
        for _ in range(count):
            await stranger.enqueue(alone)
            await shop.client.enqueue(alone)

    async with workshop(alone) as shop, shop.working(poll=RARELY, concurrency=1):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(enqueue, shop, 25)
        await eventually(lambda: len(shop.heard) == 200, within=SOON)

        assert max(most) == 1
        assert len({over.run.id for over in shop.heard}) == 200
        assert {over.run.attempt for over in shop.heard} == {1}


async def test_who_stops_takes_its_offer_back(workshop: Open, stranger: Client) -> None:
    async with workshop(*JOBS) as shop:
        async with offering(shop, stranger) as worker:
            worker.stop()
            await eventually(lambda: _is_gone(stranger, worker), within=SOON)
        handle = await stranger.enqueue(write, "it")

        assert not await offers(stranger, worker)
        assert await asked(stranger.store.redis, "KEYS", keys.IDLE + "*") == []
        assert await handle.status() is RunStatus.QUEUED
        await shop.drain()
        assert shop.heard[-1].run.attempt == 1


async def _is_gone(client: Client, worker: Worker[Any]) -> bool:
    return not await client.store.redis.exists(keys.worker(worker.id))


async def test_an_offer_nobody_stands_by_keeps_nothing(client: Client) -> None:
    redis: Any = client.store.redis
    await redis.sadd(keys.IDLE + "default", "dead", "deaf", "busy", "lapsed")
    for worker, offer in (("dead", "9000"), ("deaf", "9000"), ("busy", "taken")):
        await redis.set(keys.offer(worker), offer)
    async with alive(client.store, "deaf", "busy", "lapsed"):
        first = await client.enqueue(write, "1")
        second = await client.enqueue(write, "2")

        assert await redis.exists(keys.lease(first.id), keys.lease(second.id)) == 0
        assert await redis.exists(keys.IDLE + "default") == 0  # nobody looks there again
        assert await claimed_ids(client.store) == [first.id, second.id]
    await asked(client.store.redis, "FLUSHDB")


async def test_a_run_that_got_lost_on_its_way_comes_with_the_next_claim_uncharged(
    clean_redis: RedisSettings, codec: Codec, stranger: Client
) -> None:
    async with (
        proxied(clean_redis) as proxy,
        workshop_at(proxy.settings, codec, *JOBS) as shop,
        offering(shop, stranger) as worker,
    ):
        proxy.freeze()
        handle = await stranger.enqueue(write, "it")
        lease: Any = await stranger.store.redis.get(keys.lease(handle.id))
        proxy.cut()
        proxy.heal()
        await handle.result(within=SOON)

        assert lease == f"{worker.id}:1".encode()
        assert shop.page == ["first", "it"]
        assert shop.heard[-1].run.attempt == 1


async def test_what_is_tried_once_or_named_or_due_later_is_claimed(
    workshop: Open, stranger: Client, clock: ManualClock
) -> None:
    async with workshop(*JOBS) as shop, offering(shop, stranger) as worker:
        named = await shop.client.enqueue(write.with_options(id="chosen"), "named")
        await named.result(within=SOON)
        await eventually(lambda: offers(stranger, worker), within=SOON)
        clock.advance(hours(1))  # of which the server knows nothing
        await (await shop.client.enqueue(write, "later")).result(within=SOON)
        once = await shop.client.enqueue(die, "once")
        await eventually(lambda: "once" in shop.page, within=SOON)

        assert shop.page == ["first", "named", "later", "once"]
        await eventually(lambda: _is_dead(shop, once.id), within=SOON)


async def _is_dead(shop: Workshop, run_id: str) -> bool:
    return await shop.client.run(run_id).status() is RunStatus.DEAD


@pytest.mark.parametrize("refused", ["-subscribe", "-publish"])
async def test_who_may_not_hear_or_tell_is_served_by_claims(
    workshop: Open, clean_redis: RedisSettings, codec: Codec, clock: ManualClock, refused: str
) -> None:
    async with open_redis(clean_redis) as owner:
        redis: Any = owner
        may = ("on", ">secret", "~*", "&*", "+@all", refused)
        await asked(redis, "ACL", "SETUSER", "shy", *may)
        shy = replace(clean_redis, username="shy", password="secret")
        async with workshop(*JOBS) as shop, open_redis(shy) as connection:
            client = Client(Store(connection, clock), codec, jobs=shop.jobs, queues=QUEUES)
            async with replace(shop, client=client, redis=shy).working(poll=RARELY):
                for n in range(5):
                    await (await client.enqueue(write, str(n))).result(within=SOON)

            assert shop.page == [str(n) for n in range(5)]
        await asked(redis, "ACL", "DELUSER", "shy")
