"""What a handle tells of its run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, cast

import pytest
from arq.connections import RedisSettings

from app.engine import (
    Client,
    Codec,
    ManualClock,
    RunCancelled,
    RunFailed,
    RunStatus,
    Unavailable,
    UnknownRun,
    hours,
    job,
    seconds,
)
from app.engine.errors import JobTimeout
from tests.engine.conftest import QUEUES, Bench, Open
from tests.engine.jobs import die, fail, pass_gate, wait, write
from tests.engine.steps import alive, claim, completed, dies, set_aside
from tests.eventually import eventually
from tests.proxy import proxied


@dataclass(frozen=True)
class Receipt:
    """What a job returns."""

    at: datetime
    took: timedelta


@job(name="test.receipt", queue="default")
async def give_receipt(ctx: Bench) -> Receipt:
    """Return a value with values inside."""
    return Receipt(ctx.attempt.enqueued_at, seconds(5))


@job(name="test.nothing_readable", queue="default")
async def return_an_object(ctx: Bench) -> int:
    """Return what can't travel."""
    ctx.page.append("ran")
    return cast("int", object())


@job(name="test.too_much", queue="default")
async def return_too_much(ctx: Bench) -> bytes:
    """Return more than is kept."""
    ctx.page.append("ran")
    return b"x" * 5_000_000


async def test_status_follows_a_run_through_its_life(client: Client, clock: ManualClock) -> None:
    store = client.store
    handle = await client.enqueue(write.with_options(delay=hours(1)), "x")
    seen = [await handle.status()]
    clock.advance(hours(2))
    seen.append(await handle.status())
    async with alive(store, "w1"):
        run = (await claim(store)).runs[0]
        seen.append(await handle.status())
        await store.commit([set_aside(run)])
        seen.append(await handle.status())
        await store.unpark("w1", 1, QUEUES, [("test.write", 1)])
        again = (await claim(store, mine=[])).runs[0]
        await store.commit([completed(again, keep=timedelta(0))])
    seen.append(await handle.status())

    assert seen == [
        RunStatus.DEFERRED,
        RunStatus.QUEUED,
        RunStatus.RUNNING,
        RunStatus.PARKED,
        RunStatus.SUCCEEDED,
    ]


async def test_a_run_just_enqueued_is_queued_and_not_deferred(client: Client) -> None:
    for _ in range(200):
        handle = await client.enqueue(write, "x")

        assert await handle.status() == RunStatus.QUEUED


async def test_an_unknown_run_has_no_result(client: Client) -> None:
    handle = client.run("unknown")

    assert await handle.status() == RunStatus.UNKNOWN
    with pytest.raises(UnknownRun, match="unknown"):
        await handle.result(within=seconds(1))


async def test_a_result_has_the_type_the_job_says(workshop: Open) -> None:
    async with workshop(give_receipt) as shop:
        handle = await shop.client.enqueue(give_receipt)
        await shop.drain()

        receipt = await handle.result(within=seconds(1))

        assert receipt.took == seconds(5)
        assert receipt.at.tzinfo is UTC
        assert receipt == await shop.client.run(handle.id).result(within=seconds(1))


async def test_a_failed_run_raises_its_jobs_error(workshop: Open) -> None:
    async with workshop(die) as shop:
        handle = await shop.client.enqueue(die, "broken")
        await shop.drain()

        with pytest.raises(RunFailed, match="broken") as raised:
            await handle.result(within=seconds(1))

        assert isinstance(raised.value.error, RuntimeError)
        assert raised.value.__cause__ is raised.value.error
        assert raised.value.run_id == handle.id
        assert await handle.status() == RunStatus.DEAD


async def test_a_failed_run_whose_result_is_not_kept_still_tells_why(workshop: Open) -> None:
    async with workshop(fail) as shop:
        handle = await shop.client.enqueue(fail)
        await shop.drain(keep_result=timedelta(0))

        with pytest.raises(RunFailed, match="it never works"):
            await handle.result(within=seconds(1))


async def test_waiting_for_a_run_that_does_not_end_is_a_timeout(client: Client) -> None:
    handle = await client.enqueue(write, "x")

    with pytest.raises(TimeoutError):
        await handle.result(within=seconds(0.05))


async def test_a_timeout_of_the_job_is_no_timeout_of_the_waiting(workshop: Open) -> None:
    @job(name="test.slow", queue="default", timeout=seconds(0.05), retry=die.retry)
    async def slow(ctx: Bench) -> None:
        await ctx.gate.wait()

    async with workshop(slow) as shop:
        handle = await shop.client.enqueue(slow)
        await shop.drain()

        with pytest.raises(RunFailed, match="longer than") as raised:
            await handle.result(within=seconds(1))
        assert isinstance(raised.value.error, JobTimeout)


async def test_a_waiting_run_that_is_cancelled_never_starts(workshop: Open) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write, "x")

        assert await handle.cancel()

        await shop.drain()
        assert shop.page == []
        assert await handle.status() == RunStatus.CANCELLED
        with pytest.raises(RunCancelled):
            await handle.result(within=seconds(1))
        assert not await handle.cancel()


async def test_a_cancelled_run_is_cancelled_even_if_its_clean_up_fails(workshop: Open) -> None:
    @job(name="test.stubborn", queue="default")
    async def stubborn(ctx: Bench) -> None:
        ctx.page.append("begun")
        try:
            await ctx.gate.wait()
        finally:
            raise RuntimeError("the clean-up fails")

    async with workshop(stubborn) as shop, shop.working():
        handle = await shop.client.enqueue(stubborn)
        await eventually(lambda: shop.page)

        assert await handle.cancel()

        with pytest.raises(RunCancelled):
            await handle.result(within=seconds(5))


async def test_cancelling_one_run_leaves_the_others(workshop: Open) -> None:
    async with workshop(wait, pass_gate) as shop, shop.working():
        cancelled = await shop.client.enqueue(wait)
        bystander = await shop.client.enqueue(pass_gate, "I")
        await eventually(lambda: len(shop.page) == 2)

        await cancelled.cancel()

        with pytest.raises(RunCancelled):
            await cancelled.result(within=seconds(5))
        shop.gate.set()
        assert await bystander.result(within=seconds(5)) == "I, attempt 1"


@pytest.mark.parametrize("shy", [return_an_object, return_too_much])
async def test_a_result_that_cannot_be_kept_is_a_success_with_a_note(
    workshop: Open, shy: Any
) -> None:
    async with workshop(shy) as shop:
        handle = await shop.client.enqueue(shy)
        await shop.drain()

        assert shop.page == ["ran"]
        assert await handle.status() == RunStatus.SUCCEEDED
        with pytest.raises(UnknownRun, match="ResultNotKept"):
            await handle.result(within=seconds(1))


async def test_a_dead_workers_run_still_counts_as_running(client: Client) -> None:
    async with alive(client.store, "w1"):
        handle = await client.enqueue(write, "x")
        await claim(client.store)
        await dies(client.store, "w1")

    assert await handle.status() == RunStatus.RUNNING


async def test_a_redis_that_is_away_is_asked_again_until_time_is_up(
    clean_redis: RedisSettings, codec: Codec
) -> None:
    async with proxied(clean_redis) as way, Client.open(way.settings, codec) as client:
        handle = await client.enqueue(write, "x")
        way.cut()
        started_at = monotonic()

        with pytest.raises(Unavailable):
            await handle.result(within=seconds(0.3))

        assert monotonic() - started_at >= 0.3
        way.heal()
        with pytest.raises(TimeoutError):
            await handle.result(within=seconds(0.3))
        assert await handle.cancel()
