"""The network of the tests does what it is told."""

from collections.abc import AsyncGenerator
from time import monotonic

import anyio
import pytest
from arq.connections import RedisSettings
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Disconnected

from tests.proxy import Proxy, proxied


@pytest.fixture
async def proxy(clean_redis: RedisSettings) -> AsyncGenerator[Proxy]:
    async with proxied(clean_redis) as opened:
        yield opened


@pytest.fixture
async def redis(proxy: Proxy) -> AsyncGenerator[Redis]:
    async with Redis.from_url(proxy.url) as opened:
        yield opened


async def test_what_is_cut_stays_broken_and_new_connections_live_once_it_is_healed(
    proxy: Proxy, redis: Redis
) -> None:
    await redis.ping()

    proxy.cut()
    for _ in range(2):
        with pytest.raises(Disconnected):
            await redis.ping()
    proxy.heal()

    assert await redis.ping()


async def test_what_is_frozen_arrives_once_it_is_healed(proxy: Proxy, redis: Redis) -> None:
    await redis.ping()
    answered = anyio.Event()

    async def ping() -> None:
        await redis.ping()
        answered.set()

    proxy.freeze()
    async with anyio.create_task_group() as group:
        group.start_soon(ping)
        with anyio.move_on_after(0.2):
            await answered.wait()
        assert not answered.is_set()
        proxy.heal()

    assert answered.is_set()


async def test_a_delay_is_added_each_way_and_pieces_do_not_wait_for_each_other(
    proxy: Proxy, redis: Redis
) -> None:
    await redis.ping()
    proxy.delay(0.1)

    async def ping() -> None:
        await redis.ping()

    began = monotonic()
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ping)
    took = monotonic() - began

    # ten connections at once: each makes a few trips, none waits for another's
    assert 0.2 <= took < 2


async def test_what_was_asked_is_done_though_its_answer_is_lost(proxy: Proxy, redis: Redis) -> None:
    proxy.lose_answer(to=b"INCRBY")

    assert await redis.ping()
    with pytest.raises(Disconnected):
        await redis.incr("steward:health")

    assert await redis.incr("steward:health") == 2
