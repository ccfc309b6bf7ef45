"""A worker that is cut off from Redis for a while, with a run at work."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Clock, Codec, Handle, seconds
from tests.engine.conftest import Open, Workshop
from tests.engine.jobs import pass_gate
from tests.eventually import eventually
from tests.proxy import Proxy, proxied

LEASE = seconds(2)
STOPPED = "out of reach for a whole lease: stopped runs: 1"


@dataclass(frozen=True, kw_only=True)
class Story:
    """A workshop near Redis, the network, and a run that waits in a worker behind it."""

    shop: Workshop
    network: Proxy
    handle: Handle[str]


@pytest.fixture
async def story(
    workshop: Open, clean_redis: RedisSettings, codec: Codec, clock: Clock
) -> AsyncGenerator[Story]:
    async with workshop(pass_gate) as shop, proxied(clean_redis) as network:
        async with far(shop, network, codec, clock) as away, away.working(lease=LEASE):
            handle = await shop.client.enqueue(pass_gate, "it")
            await eventually(lambda: shop.page)
            yield Story(shop=shop, network=network, handle=handle)


@asynccontextmanager
async def far(
    shop: Workshop, network: Proxy, codec: Codec, clock: Clock
) -> AsyncGenerator[Workshop]:
    """The same workshop, as far away from Redis as that."""
    async with Client.open(network.settings, codec, jobs=shop.jobs, clock=clock) as client:
        yield replace(shop, client=client, redis=network.settings)


async def test_an_interruption_shorter_than_the_lease_changes_nothing(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    story.network.cut()
    await eventually(lambda: "could not be renewed" in caplog.text)
    story.network.heal()
    await eventually(lambda: is_renewed(story))
    story.shop.gate.set()

    assert await story.handle.result(within=seconds(20)) == "it, attempt 1"
    assert story.shop.page == ["it waits", "it passes"]


async def test_what_ended_while_it_was_cut_off_is_committed_and_not_run_again(
    story: Story,
) -> None:
    story.network.cut()
    story.shop.gate.set()
    await eventually(lambda: len(story.shop.page) == 2)
    await eventually(lambda: has_lapsed(story))
    story.network.heal()

    assert await story.handle.result(within=seconds(20)) == "it, attempt 1"
    assert story.shop.page == ["it waits", "it passes"]


async def test_after_a_whole_lease_it_stops_its_run_which_costs_no_attempt(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    story.network.cut()
    await eventually(lambda: STOPPED in caplog.text)
    story.shop.gate.set()
    assert story.shop.page == ["it waits"]
    story.network.heal()

    assert await story.handle.result(within=seconds(20)) == "it, attempt 1"
    assert story.shop.page == ["it waits", "it waits", "it passes"]
    assert caplog.text.count(STOPPED) == 1


async def test_what_another_worker_has_taken_over_meanwhile_stays_its(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    async with story.shop.working(lease=LEASE):
        story.network.cut()
        await eventually(lambda: story.shop.page == ["it waits"] * 2)
        await eventually(lambda: STOPPED in caplog.text)
        story.shop.gate.set()

        assert await story.handle.result(within=seconds(20)) == "it, attempt 2"
        story.network.heal()
        await eventually(lambda: "its outcome here is dropped" in caplog.text)

    assert story.shop.page == ["it waits", "it waits", "it passes"]


async def is_renewed(story: Story) -> bool:
    return len(await story.shop.client.workers()) == 1


async def has_lapsed(story: Story) -> bool:
    return not await story.shop.client.workers()


async def test_whoever_claims_has_a_sign_of_life_again(
    workshop: Open, clean_redis: RedisSettings
) -> None:
    async with workshop(pass_gate) as shop, proxied(clean_redis) as network:
        async with replace(shop, redis=network.settings).working(lease=seconds(1)):
            await eventually(shop.client.workers)
            network.cut()  # for the thread that renews, and not for claims
            lapsed_at = monotonic() + 1
            await eventually(lambda: monotonic() > lapsed_at)

            await shop.client.enqueue(pass_gate, "it")
            await eventually(lambda: shop.page)

            assert len(await shop.client.workers()) == 1
            network.heal()
            shop.gate.set()
