"""How soon a worker hears of work: with a look every 30 s, whatever starts sooner was told of."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime
from statistics import median
from time import monotonic
from typing import Any

import anyio
import arq
import pytest
from arq.connections import ArqRedis, RedisSettings

from app.engine import Client, Codec, Fixed, Job, ManualClock, job, seconds
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from tests.engine.conftest import QUEUES, Bench, Open, Workshop
from tests.engine.jobs import fail, hurry, pass_gate, write
from tests.eventually import eventually
from tests.rights import asked

RARELY = seconds(30)
TIMES = 30
BOTH: tuple[Job[Any, [str], Any], ...] = (write, hurry)
SOON = seconds(2)  # on a machine that is busy with other tests, too


@pytest.fixture
async def plain(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[ArqRedis]:
    """A client of stock arq."""
    pool = await arq.create_pool(
        clean_redis,
        job_serializer=codec.dumps,
        job_deserializer=codec.loads,
        default_queue_name="arq:queue:default",
    )
    yield pool
    await pool.aclose()


@pytest.fixture
async def stranger(
    clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[Client]:
    """A client in a process of its own, as far as Redis can tell."""
    async with Client.open(clean_redis, codec, clock=clock) as opened:
        yield opened


async def idle(shop: Workshop, client: Client) -> None:
    """A first run is over, and the worker has looked since."""
    await (await client.enqueue(write, "first")).result(within=seconds(5))
    await eventually(lambda: shop.heard)
    await anyio.wait_all_tasks_blocked()


async def written(shop: Workshop, count: int) -> None:
    """So many lines are on the page, soon."""
    await eventually(lambda: len(shop.page) == count, within=SOON)


async def test_a_plain_clients_run_starts_at_once(workshop: Open, plain: ArqRedis) -> None:
    async with workshop(write) as shop, shop.working(poll=RARELY, accept_plain=True):
        for n in range(3):
            await plain.enqueue_job("test.write", str(n))

            await written(shop, n + 1)


async def test_another_clients_run_starts_at_once(workshop: Open, stranger: Client) -> None:
    async with workshop(write) as shop, shop.working(poll=RARELY):
        for n in range(5):
            await stranger.enqueue(write, str(n))

            await written(shop, n + 1)


async def test_a_run_enqueued_on_the_workers_own_connection_starts_at_once(
    workshop: Open,
) -> None:
    async with workshop(write, hurry) as shop, shop.working(poll=RARELY):
        await idle(shop, shop.client)

        for n in range(5):
            await shop.client.enqueue(hurry, str(n))
            await written(shop, n + 2)


async def test_a_deferred_run_starts_when_it_is_due(workshop: Open, stranger: Client) -> None:
    async with workshop(write, hurry) as shop, shop.working(poll=RARELY):
        await idle(shop, shop.client)

        start = monotonic()
        await stranger.enqueue(hurry.with_options(delay=seconds(0.4)), "second")
        await written(shop, 2)

        assert monotonic() - start >= 0.4


@job(name="test.punctual", queue="default")
async def punctual(ctx: Bench) -> None:
    """Write how late it is, in ms."""
    late = ctx.client.store.clock.now() - ctx.attempt.scheduled_for
    ctx.page.append(f"{late / seconds(0.001):.2f}")


async def test_deferred_runs_start_within_milliseconds_of_their_time(
    workshop: Open, stranger: Client
) -> None:
    async with workshop(punctual) as shop, shop.working(poll=RARELY):
        now = shop.client.store.clock.now()
        for n in range(TIMES):
            later = punctual.with_options(at=now + seconds(0.2 + 0.05 * n))
            await stranger.enqueue(later)
        await eventually(lambda: len(shop.page) == TIMES)

    late = sorted(float(each) for each in shop.page)
    print(
        f"{TIMES} deferred runs began {median(late):.1f} ms late (median), at most {late[-1]:.1f}"
    )
    assert late[0] >= 0
    assert median(late) < 50


@job(name="test.soon", queue="default", retry=Fixed(seconds(0.2), attempts=3))
async def soon(ctx: Bench) -> None:
    """Fail twice."""
    ctx.page.append(f"try {ctx.attempt.number}")
    if not ctx.attempt.is_last:
        raise RuntimeError("not yet")


async def test_a_retry_starts_when_it_is_due(workshop: Open) -> None:
    async with workshop(soon) as shop, shop.working(poll=RARELY):
        await shop.client.enqueue(soon)

        await written(shop, 3)


async def test_retries_at_once_need_no_look(workshop: Open, stranger: Client) -> None:
    async with workshop(fail) as shop, shop.working(poll=RARELY):
        await stranger.enqueue(fail)

        await written(shop, 3)


@pytest.mark.parametrize("concurrency", [1, 2, 3, 10])
async def test_a_slot_that_is_free_again_is_used_at_once(
    workshop: Open, stranger: Client, concurrency: int
) -> None:
    async with workshop(write) as shop, shop.working(poll=RARELY, concurrency=concurrency):
        await stranger.enqueue_many(write.call(str(n)) for n in range(40))

        await written(shop, 40)


async def test_all_slots_but_the_reserved_are_filled_at_once(
    workshop: Open, stranger: Client
) -> None:
    async with workshop(pass_gate, hurry) as shop:
        idle_job = replace(pass_gate, queue="idle")
        shop.jobs[idle_job.name] = idle_job
        async with shop.working(poll=RARELY, concurrency=20):
            await stranger.enqueue_many(idle_job.call(str(n)) for n in range(40))

            await written(shop, 18)
            shop.gate.set()
            await written(shop, 80)


async def test_a_run_between_two_urgent_ones_is_told_of_too(
    workshop: Open, stranger: Client
) -> None:
    async with workshop(write, hurry) as shop, shop.working(poll=RARELY):
        for n in range(10):
            await stranger.enqueue(BOTH[n % 2], str(n))
            await written(shop, n + 1)


async def test_a_plain_clients_run_of_the_past_starts_within_a_second(
    workshop: Open, plain: ArqRedis
) -> None:
    """Its clock is late: its runs stand where claims have passed."""
    async with (
        workshop(write, pass_gate) as shop,
        shop.working(poll=RARELY, accept_plain=True),
    ):
        for n in range(5):
            await shop.client.enqueue(pass_gate, str(n))
        await eventually(lambda: len(shop.page) == 5)
        await plain.enqueue_job("test.write", "late", _defer_until=_long_ago(shop))

        await eventually(lambda: "late" in shop.page, within=SOON)
        shop.gate.set()


def _long_ago(shop: Workshop) -> datetime:
    return shop.client.store.clock.now() - seconds(60)


async def test_a_worker_whose_connection_was_cut_hears_again(
    workshop: Open, stranger: Client
) -> None:
    async with workshop(write) as shop, shop.working(poll=RARELY):
        line = shop.client.store.redis.line
        for n in range(3):
            id = await line.call("CLIENT", "ID")
            await asked(stranger.store.redis, "CLIENT", "KILL", "ID", str(id))
            await stranger.enqueue(write, str(n))

            await written(shop, n + 1)


async def test_two_workers_of_one_process_both_hear(workshop: Open, stranger: Client) -> None:
    async with workshop(pass_gate) as shop:
        async with (
            shop.working(poll=RARELY, concurrency=1),
            shop.working(poll=RARELY, concurrency=1),
        ):
            for n in range(2):
                await stranger.enqueue(pass_gate, str(n))

            await written(shop, 2)
            shop.gate.set()


async def test_a_worker_that_has_ended_hears_no_more(workshop: Open) -> None:
    async with workshop(write) as shop:
        async with shop.working(poll=RARELY):
            pass
        await shop.client.enqueue(write, "x")
        await shop.drain(poll=RARELY)

        assert shop.page == ["x"]


@pytest.fixture
async def forbidden(clean_redis: RedisSettings) -> AsyncGenerator[RedisSettings]:
    """A user who may do all but have keys tracked."""
    async with open_redis(clean_redis) as opened:
        redis: Any = opened
        may = ("on", ">secret", "~*", "&*", "+@all", "-client|tracking")
        await asked(redis, "ACL", "SETUSER", "deaf", *may)
        yield replace(clean_redis, username="deaf", password="secret")
        await asked(redis, "ACL", "DELUSER", "deaf")


async def test_where_the_server_does_not_tell_the_worker_looks_and_says_so_once(
    workshop: Open,
    forbidden: RedisSettings,
    codec: Codec,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with workshop(write, hurry) as shop, open_redis(forbidden) as redis:
        client = Client(Store(redis, clock), codec, jobs=shop.jobs, queues=QUEUES)
        deaf = replace(shop, client=client, redis=forbidden)
        async with deaf.working(poll=RARELY):
            for n in range(3):
                await shop.client.enqueue(write, str(n))
                await written(deaf, n + 1)

    told = [each for each in caplog.records if "does not tell" in each.getMessage()]
    assert len(told) == 1
