"""A back-log that lay for longer than a day: nothing of it has expired, and all of it runs."""

from datetime import timedelta
from typing import Any

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, Fixed, ManualClock, RunStatus, hours, job
from app.engine.redis import keys
from tests.engine.conftest import Bench, Open, Workshop
from tests.engine.jobs import write
from tests.engine.stock import plain_client
from tests.eventually import eventually
from tests.plugins.cases import Case

LONG = hours(25)  # arq's payloads live for 24
MANY = 50


@job(name="test.fail_once", queue="default", retry=Fixed(LONG, attempts=2))
async def fail_once(ctx: Bench, text: str) -> str:
    """Succeed at the second attempt, which is a day later."""
    ctx.page.append(f"{text}, attempt {ctx.attempt.number}")
    if ctx.attempt.number == 1:
        raise RuntimeError("not today")
    return text


@pytest.mark.case(41)
async def test_what_waited_for_longer_than_a_day_runs(
    workshop: Open, clock: ManualClock, case: Case
) -> None:
    async with workshop(write, fail_once) as shop:
        calls = [write.call("now"), write.with_options(delay=hours(1)).call("soon")]
        late = [write.with_options(delay=2 * LONG).call("late")]
        handles = await shop.client.enqueue_many([*calls, *late] * MANY)
        assert await lives(shop.client) == {-1}

        clock.advance(LONG)
        async with shop.working():
            await eventually(lambda: len(shop.page) == 2 * MANY)
            assert await lives(shop.client) == {-1}
            clock.advance(LONG + hours(1))
            await eventually(lambda: len(shop.page) == 3 * MANY)
            await eventually(lambda: len(shop.heard) == 3 * MANY)

        assert {await each.status() for each in handles} == {RunStatus.SUCCEEDED}
    case.says(
        f"{3 * MANY} runs that waited for up to {2 * LONG // hours(1)} hours",
        arq="expired after 24 hours, never run",
        steward="all ran; no payload of ours has a TTL",
    )


@pytest.mark.case(41)
async def test_a_retry_may_be_more_than_a_day_away(workshop: Open, clock: ManualClock) -> None:
    async with workshop(fail_once) as shop, shop.working():
        handle = await shop.client.enqueue(fail_once, "x")
        await eventually(lambda: len(shop.heard) == 1)
        assert await handle.status() == RunStatus.DEFERRED
        assert await lives(shop.client) == {-1}

        clock.advance(LONG + hours(3))
        await eventually(lambda: len(shop.heard) == 2)

        assert await handle.status() == RunStatus.SUCCEEDED
        assert shop.page == ["x, attempt 1", "x, attempt 2"]


@pytest.mark.case(41)
async def test_what_plain_clients_enqueued_stops_expiring_soon(
    workshop: Open, clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> None:
    async with workshop(write) as shop, plain_client(clean_redis, codec) as plain:
        for _ in range(MANY):
            await plain.enqueue_job("test.write", "x", _defer_by=LONG)
        assert max(await lives(shop.client)) > 0

        async with shop.working(accept_plain=True):
            await eventually(lambda: _none_expires(shop), within=timedelta(minutes=1))
            clock.advance(LONG + hours(1))
            await eventually(lambda: len(shop.heard) == MANY)

        assert shop.page == ["x"] * MANY


async def lives(client: Client) -> set[int]:
    """How long the payloads live that there are, in s; -1: for ever."""
    redis: Any = client.store.redis
    return {await redis.ttl(key) async for key in redis.scan_iter(f"{keys.JOB}*", count=500)}


async def _none_expires(shop: Workshop) -> bool:
    return await lives(shop.client) == {-1}
