"""After an outage each worker gives the others a lease's time to come back."""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, seconds
from tests.engine.conftest import Workshop, workshop_at
from tests.engine.jobs import pass_gate, write
from tests.eventually import eventually
from tests.proxy import Proxy, proxied

LEASE, SOON = seconds(0.5), seconds(10)


class Party:
    """A worker, its workshop, and its own way to Redis."""

    def __init__(self, shop: Workshop, way: Proxy) -> None:
        self.shop = shop
        self.way = way


@pytest.fixture
async def parties(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[tuple[Party, Party]]:
    async with AsyncExitStack() as stack:

        async def party() -> Party:
            way = await stack.enter_async_context(proxied(clean_redis))
            shop = await stack.enter_async_context(
                workshop_at(way.settings, codec, write, pass_gate)
            )
            return Party(shop, way)

        yield await party(), await party()


@pytest.fixture
async def stranger(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[Client]:
    """A client with a way of its own."""
    async with Client.open(clean_redis, codec) as opened:
        yield opened


@pytest.mark.case(13)
async def test_whoever_is_back_first_takes_nothing_over_for_a_lease(
    parties: tuple[Party, Party], stranger: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    quick, slow = parties
    async with slow.shop.working(lease=LEASE):
        held = await stranger.enqueue_many(pass_gate.call(str(n)) for n in range(3))
        await eventually(lambda: len(slow.shop.page) == 3)
        async with quick.shop.working(lease=LEASE):
            await eventually(lambda: _are_two(stranger))

            for each in parties:
                each.way.cut()
            await eventually(lambda: caplog.text.count("claiming waits") >= 12)  # with long pauses
            quick.way.heal()
            await (await stranger.enqueue(write, "back")).result(within=SOON)
            slow.way.heal()
            for each in parties:
                each.shop.gate.set()
            results = [await each.result(within=SOON) for each in held]

    assert results == [f"{n}, attempt 1" for n in range(3)]


async def _are_two(client: Client) -> bool:
    return len(await client.workers()) == 2
