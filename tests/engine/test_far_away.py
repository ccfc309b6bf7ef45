"""Redis far away, or behind a line that swallows everything: slower, and nothing worse."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from time import monotonic

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, Unavailable, job, seconds
from tests.engine.conftest import Bench, Workshop, workshop_at
from tests.engine.jobs import write
from tests.engine.stock import plain_client, plain_drain
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.proxy import Proxy, proxied

MANY = 10  # times as many as stock arq; measured are far more


@pytest.fixture
async def proxy(clean_redis: RedisSettings) -> AsyncGenerator[Proxy]:
    async with proxied(clean_redis) as opened:
        yield opened


@pytest.fixture
async def shop(proxy: Proxy, codec: Codec) -> AsyncGenerator[Workshop]:
    """A workshop behind the proxy."""
    async with workshop_at(proxy.settings, codec, write, stamp) as opened:
        yield opened


@pytest.fixture
async def stranger(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[Client]:
    """A client near Redis."""
    async with Client.open(clean_redis, codec) as opened:
        yield opened


@job(name="test.stamp", queue="default")
async def stamp(ctx: Bench) -> None:
    """Write down when."""
    ctx.page.append(str(monotonic()))


@pytest.mark.case(19)
@pytest.mark.parametrize(("trip", "stocks", "least"), [(0.01, 12, 1_000), (0.05, 5, 500)])
async def test_a_long_way_costs_no_lease_and_little_time(
    shop: Workshop,
    proxy: Proxy,
    stranger: Client,
    codec: Codec,
    caplog: pytest.LogCaptureFixture,
    case: Case,
    tier: Tier,
    trip: float,
    stocks: int,
    least: int,
) -> None:
    await stranger.enqueue_many(stamp.call() for _ in range(2_000))
    proxy.delay(trip / 2)

    await shop.drain(concurrency=100)
    ours = _rate(shop.page)
    proxy.heal()
    async with plain_client(shop.redis, codec) as plain:
        for _ in range(stocks):
            await plain.enqueue_job("test.stamp")
    proxy.delay(trip / 2)
    await plain_drain(shop, max_jobs=100, poll_delay=0.5)
    stock = _rate(shop.page[-stocks:])

    case.says(
        f"2,000 runs with {1000 * trip:.0f} ms more to Redis",
        arq=f"{stock:.1f} a second",
        steward=f"{ours:,.0f} a second, {ours / stock:.0f} times as many; each tried once",
    )
    assert ours > MANY * stock
    assert ours >= tier.bound(least, loose=0)
    assert len(shop.page) == 2_000 + stocks
    assert {over.run.attempt for over in shop.heard} == {1}
    assert "could not be renewed" not in caplog.text


def _rate(page: list[str]) -> float:
    stamps = [float(at) for at in page]
    return (len(stamps) - 1) / (max(stamps) - min(stamps))


@pytest.mark.case(20)
async def test_a_line_that_swallows_everything_is_an_error_in_time_and_a_worker_recovers(
    shop: Workshop,
    proxy: Proxy,
    stranger: Client,
    case: Case,
    tier: Tier,
    caplog: pytest.LogCaptureFixture,
) -> None:
    silence = tier.of(4, 10)
    async with shop.working(poll=seconds(30)):
        await (await stranger.enqueue(write, "before")).result(within=seconds(2))

        proxy.freeze()
        started_at = monotonic()
        with pytest.raises(Unavailable):
            await shop.client.enqueue(write, "lost")
        took = monotonic() - started_at
        await eventually(lambda: "Redis" in caplog.text)
        noticed = monotonic() - started_at
        await eventually(lambda: monotonic() - started_at > silence)
        healed_at = monotonic()
        proxy.heal()
        await (await stranger.enqueue(write, "after")).result(within=seconds(10))
        recovered = monotonic() - healed_at

        case.says(
            f"a line that swallows everything for {silence} s",
            arq="waits until it goes on",
            steward=f"an enqueue failed after {took:.1f} s, the worker saw it after"
            f" {noticed:.1f} s and was back {recovered:.2f} s after the end",
        )
    assert max(took, noticed) < tier.bound(3, loose=6)
    assert recovered < tier.bound(2, loose=10)
    assert [text for text in shop.page if text != "lost"] == ["before", "after"]


@pytest.mark.case(20)
async def test_connections_that_the_other_side_forgot_are_replaced_in_time(
    shop: Workshop, proxy: Proxy, stranger: Client, case: Case, tier: Tier
) -> None:
    async with shop.working(poll=seconds(30)):
        await (await shop.client.enqueue(write, "before")).result(within=seconds(2))

        proxy.forget()
        started_at = monotonic()
        with suppress(Unavailable):  # or it was stored, by another connection
            await shop.client.enqueue(write.with_options(id="again"), "again")
        took = monotonic() - started_at
        await (await stranger.enqueue(write, "after")).result(within=seconds(20))
        recovered = monotonic() - started_at
        await shop.client.enqueue(write.with_options(id="again"), "again")
        await shop.client.run("again").result(within=seconds(20))
        await eventually(lambda: monotonic() - started_at > tier.of(4, 10))
        still = await stranger.workers()

        case.says(
            "TCP connections that are half open",
            arq="has no limit to how long it waits for an answer",
            steward=f"an enqueue was over after {took:.1f} s, the worker ran again after"
            f" {recovered:.1f} s, on new ones",
        )
    assert took < tier.bound(3, loose=6)
    assert recovered < tier.bound(3 + 2, loose=15)
    assert len(still) == 1
    assert shop.page.count("again") == 1


@pytest.mark.case(20)
async def test_an_enqueue_takes_no_longer_than_its_clients_patience(
    shop: Workshop, proxy: Proxy
) -> None:
    hasty = Client(shop.client.store, shop.client.codec, patience=seconds(0.5))
    await hasty.enqueue(write, "before")

    proxy.freeze()
    started_at = monotonic()
    with pytest.raises(Unavailable):
        await hasty.enqueue(write, "lost")

    assert monotonic() - started_at < 2
