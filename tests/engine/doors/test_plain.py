"""Our jobs in stock arq's worker: what they raise means what it means in ours."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.engine import (
    NEVER,
    Attempt,
    Codec,
    Discard,
    Fixed,
    RetryLater,
    RunCancelled,
    RunFailed,
    RunStatus,
    arq_functions,
    by_name,
    job,
    minutes,
    seconds,
)
from app.engine.redis import keys
from tests.engine.conftest import Bench, Open
from tests.engine.jobs import AT_ONCE, die, fail, pass_gate, wait, write
from tests.engine.steps import keys_of
from tests.engine.stock import QUEUE, plain_client, plain_drain, plain_working
from tests.eventually import eventually

# what arq is told of a job


def test_a_function_has_its_jobs_name_limits_and_tries(codec: Codec) -> None:
    @job(name="test.kept", retry=Fixed(AT_ONCE, attempts=7), keep_result=seconds(9))
    async def kept(_ctx: Bench) -> None: ...

    first, second = arq_functions(by_name([kept, write]), codec, lambda ctx, _attempt: ctx)

    assert (first.name, first.max_tries, first.keep_result_s) == ("test.kept", 7, 9)
    assert (second.name, second.keep_result_s) == ("test.write", None)
    assert first.timeout_s is not None
    assert first.timeout_s > kept.timeout.total_seconds()  # the job's own limit comes first


# what a job is given


async def test_a_run_is_executed_and_its_result_read(workshop: Open) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write, "hello")

        await plain_drain(shop)

        assert await handle.result(within=seconds(1)) == 5
        assert await handle.status() == RunStatus.SUCCEEDED
        assert shop.page == ["hello"]


async def test_arguments_have_their_types(workshop: Open) -> None:
    seen: list[object] = []

    @job(name="test.typed", queue="default")
    async def typed(_ctx: Bench, at: datetime, span: timedelta, *, who: tuple[str, int]) -> None:
        seen.extend([at, span, who])

    given = (datetime.fromisoformat("2026-03-01T12:00:00+00:00"), minutes(3))
    async with workshop(typed) as shop:
        await shop.client.enqueue(typed, *given, who=("Ann", 7))

        await plain_drain(shop)

    assert seen == [*given, ("Ann", 7)]


async def test_the_attempt_knows_its_run(workshop: Open) -> None:
    seen: list[Attempt] = []

    @job(name="test.look", queue="default", timeout=minutes(2))
    async def look(ctx: Bench, *, again: bool) -> None:
        seen.append(ctx.attempt)
        if again:
            await ctx.client.enqueue(look, again=False)

    async with workshop(look) as shop:
        handle = await shop.client.enqueue(look.with_options(owner="ann"), again=True)
        await plain_drain(shop)

    first, second = seen
    assert (first.run_id, first.job, first.queue) == (handle.id, "test.look", "default")
    assert (first.number, first.attempts, first.owner, first.parent) == (1, 4, "ann", None)
    assert first.enqueued_at <= first.scheduled_for < first.deadline
    assert timedelta(0) < first.deadline - first.enqueued_at < minutes(3)
    assert (second.parent, second.owner) == (handle.id, "ann")


async def test_a_plain_clients_run_is_executed(workshop: Open, codec: Codec) -> None:
    async with workshop(write) as shop, plain_client(shop.redis, codec) as plain:
        run = await plain.enqueue_job("test.write", "hello")

        await plain_drain(shop)

        assert run is not None
        assert await run.result(timeout=1) == 5


async def test_a_payload_of_another_run_is_refused(workshop: Open) -> None:
    async with workshop(write) as shop:
        redis = shop.client.store.redis
        theirs = await shop.client.enqueue(write.with_options(delay=minutes(5)), "theirs")
        ours = await shop.client.enqueue(write, "ours")
        await redis.copy(keys.payload(theirs.id), keys.payload(ours.id), replace=True)

        async with plain_working(shop):
            with pytest.raises(RunFailed, match=f"the payload of run {theirs.id}"):
                await ours.result(within=seconds(5))

        assert shop.page == []
        await theirs.cancel()


# how an attempt ends


async def test_a_failed_attempt_waits_as_long_as_its_policy_says(workshop: Open) -> None:
    @job(name="test.patient", queue="default", retry=Fixed(minutes(5), attempts=4))
    async def patient(_ctx: Bench) -> None:
        raise ConnectionError("away")

    async with workshop(patient) as shop:
        handle = await shop.client.enqueue(patient)
        async with plain_working(shop) as worker:
            await eventually(lambda: worker.jobs_retried)
            await eventually(lambda: not worker.tasks)

        due = await shop.client.store.redis.zscore(QUEUE, handle.id)
        wait = due / 1000 - shop.client.store.clock.now().timestamp()
        assert 5 * 60 - 5 < wait < 5.5 * 60
        assert await shop.client.store.redis.get(keys.attempts(handle.id)) == b"1"
        await handle.cancel()


async def test_each_attempt_counts_and_the_last_one_fails(workshop: Open) -> None:
    async with workshop(fail) as shop:
        handle = await shop.client.enqueue(fail)

        await plain_drain(shop)

        assert shop.page == ["try 1", "try 2", "try 3"]
        with pytest.raises(RunFailed, match="it never works"):
            await handle.result(within=seconds(1))


async def test_to_ask_for_later_costs_no_attempt(workshop: Open) -> None:
    @job(name="test.later", queue="default", retry=NEVER)
    async def later(ctx: Bench) -> None:
        ctx.page.append(f"try {ctx.attempt.number}")
        if len(ctx.page) < 3:
            raise RetryLater(seconds(0.05))

    async with workshop(later) as shop:
        handle = await shop.client.enqueue(later)

        await plain_drain(shop)

        assert shop.page == ["try 1"] * 3
        assert await handle.status() == RunStatus.SUCCEEDED


@pytest.mark.parametrize("error", [Discard("no use"), ValueError("no use")])
async def test_what_no_retry_can_mend_ends_the_run(workshop: Open, error: Exception) -> None:
    @job(name="test.hopeless", queue="default")
    async def hopeless(ctx: Bench) -> None:
        ctx.page.append("tried")
        raise error

    async with workshop(hopeless) as shop:
        handle = await shop.client.enqueue(hopeless)

        await plain_drain(shop)

        assert shop.page == ["tried"]
        with pytest.raises(RunFailed, match="no use"):
            await handle.result(within=seconds(1))


async def test_a_deadline_is_a_failure_like_any_other(workshop: Open) -> None:
    @job(name="test.slow", queue="default", timeout=seconds(0.1), retry=Fixed(AT_ONCE, attempts=2))
    async def slow(ctx: Bench) -> None:
        ctx.page.append(f"try {ctx.attempt.number}")
        try:
            await ctx.gate.wait()
        finally:
            raise RuntimeError("while cleaning up")

    async with workshop(slow) as shop:
        handle = await shop.client.enqueue(slow)

        await plain_drain(shop)

        assert shop.page == ["try 1", "try 2"]
        with pytest.raises(RunFailed, match="took longer than"):
            await handle.result(within=seconds(1))


@pytest.mark.parametrize(
    ("error", "said"),
    [(SystemExit(3), "SystemExit: 3"), (asyncio.CancelledError(), "cancelled itself")],
)
async def test_a_job_that_ends_more_than_itself_fails(
    workshop: Open, error: BaseException, said: str
) -> None:
    @job(name="test.unruly", queue="default", retry=NEVER)
    async def unruly(_ctx: Bench) -> None:
        raise error

    async with workshop(unruly, write) as shop:
        handle = await shop.client.enqueue(unruly)
        after = await shop.client.enqueue(write, "still here")

        await plain_drain(shop)

        with pytest.raises(RunFailed, match=said):
            await handle.result(within=seconds(1))
        assert await after.result(within=seconds(1)) == 10


async def test_a_running_run_can_be_cancelled(workshop: Open) -> None:
    async with workshop(wait) as shop, plain_working(shop):
        handle = await shop.client.enqueue(wait)
        await eventually(lambda: shop.page)

        assert await handle.cancel()

        with pytest.raises(RunCancelled):
            await handle.result(within=seconds(5))


async def test_a_stopped_workers_run_goes_to_ours(workshop: Open) -> None:
    async with workshop(pass_gate) as shop:
        async with plain_working(shop):
            handle = await shop.client.enqueue(pass_gate, "Ann")
            await eventually(lambda: shop.page)

        async with shop.working():
            await eventually(lambda: len(shop.page) == 2)
            shop.gate.set()

            assert await handle.result(within=seconds(5)) == "Ann, attempt 2"


# what stays


async def test_a_run_newer_than_the_code_waits_without_a_charge(workshop: Open) -> None:
    newer = replace(write, version=2)
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(newer, "from tomorrow")
        async with plain_working(shop) as worker:
            await eventually(lambda: worker.jobs_retried)
            await eventually(lambda: not worker.tasks)

        assert shop.page == []
        assert await shop.client.store.redis.get(keys.attempts(handle.id)) == b"0"
        await shop.client.store.redis.zadd(QUEUE, {handle.id: 1})
        await shop.drain(jobs=[newer])
        assert shop.page == ["from tomorrow"]


@pytest.mark.parametrize("known", [write, die])
async def test_a_key_is_free_when_its_run_is_over(workshop: Open, known: Any) -> None:
    async with workshop(known) as shop:
        keyed = known.with_options(key="one")
        first = await shop.client.enqueue(keyed, "first")
        await plain_drain(shop)

        second = await shop.client.enqueue(keyed, "second")

        assert second.is_new
        assert second.id != first.id
        await plain_drain(shop)


async def test_of_attempts_that_failed_in_our_workers_nothing_stays(workshop: Open) -> None:
    @job(name="test.slowly", queue="default", retry=Fixed(seconds(0.5), attempts=2))
    async def slowly(_ctx: Bench) -> None:
        raise RuntimeError("it never works")

    async with workshop(slowly) as shop:
        handle = await shop.client.enqueue(slowly)
        async with shop.working():
            await eventually(lambda: shop.heard)
        before = await keys_of(shop.client)

        await plain_drain(shop)

        failures = keys.FAILURES + handle.id
        assert failures in before - await keys_of(shop.client)
