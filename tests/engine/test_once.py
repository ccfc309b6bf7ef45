"""Effects once, with workers and Redis: over retries, takeovers, replays and a person's word."""

from datetime import timedelta
from functools import partial

import anyio
import pytest
from msgspec.structs import replace

from app.engine import (
    ASK,
    REPEAT,
    Client,
    Codec,
    DeadLetters,
    Effect,
    EffectState,
    Fixed,
    InDoubt,
    LeaseLost,
    NeedsReview,
    RedisLedger,
    RunStatus,
    is_same,
    job,
    seconds,
    settle,
)
from app.engine.redis import keys
from tests.engine.conftest import Bench, Open, Workshop
from tests.engine.steps import keys_of
from tests.eventually import eventually

AT_ONCE = Fixed(timedelta(0), attempts=3)


async def _say(page: list[str], text: str) -> str:
    """The effect: a line on the page."""
    page.append(text)
    return f"said {text}"


async def _say_and_wait(page: list[str]) -> str:
    page.append("hi")
    await anyio.sleep_forever()
    raise AssertionError("nobody wakes it")


@job(name="test.say", queue="default", retry=AT_ONCE)
async def say(ctx: Bench, failures: int = 0) -> str | None:
    """Say it once, and then fail so many times."""
    said = await ctx.attempt.once("hi", _say, ctx.page, "hi")
    if ctx.attempt.number <= failures:
        raise RuntimeError("after it was said")
    return said


@job(name="test.stumble", queue="default", retry=AT_ONCE)
async def stumble(ctx: Bench, in_doubt: InDoubt) -> str | None:
    """Be cut off in the middle of the effect, at first; a marker says whether it is open."""
    act = _say if ctx.gate.is_set() else _broken
    return await ctx.attempt.once("hi", act, ctx.page, "hi", in_doubt=in_doubt)


async def _broken(page: list[str], text: str) -> str:
    page.append(text)
    raise ConnectionError("cut off")


@job(name="test.hang", queue="default", retry=AT_ONCE, timeout=seconds(30))
async def hang(ctx: Bench, in_doubt: InDoubt) -> str | None:
    """Hang in the middle of the effect, until the gate is open."""
    act = partial(_say, text="hi") if ctx.gate.is_set() else _say_and_wait
    return await ctx.attempt.once("hi", act, ctx.page, in_doubt=in_doubt)


@job(name="test.forgive", queue="default")
async def forgive(ctx: Bench) -> str:
    """Go on, although an effect is in doubt."""
    try:
        await ctx.attempt.once("hi", _broken, ctx.page, "hi")
    except NeedsReview:
        return "never mind"
    return "said"


def ledger_of(client: Client) -> RedisLedger:
    assert isinstance(client.codec, Codec)
    return RedisLedger(client.store, client.codec)


async def doubts(shop: Workshop) -> list[Effect]:
    return [*await ledger_of(shop.client).in_doubt(limit=10)]


async def test_an_effect_happens_once_over_retries_and_leaves_nothing(workshop: Open) -> None:
    async with workshop(say) as shop:
        handle = await shop.client.enqueue(say, 2)

        await shop.drain()

        assert await handle.result() == "said hi"
        assert shop.page == ["hi"]
        assert keys.book(handle.id) not in await keys_of(shop.client)


async def test_a_first_attempt_that_ends_well_leaves_no_book_either(workshop: Open) -> None:
    async with workshop(say) as shop:
        handle = await shop.client.enqueue(say)

        await shop.drain()

        assert await handle.result() == "said hi"
        names = await keys_of(shop.client)
        assert not {keys.book(handle.id), keys.attempts(handle.id)} & names


async def test_a_replay_of_the_dead_letter_goes_on_with_its_effects(workshop: Open) -> None:
    async with workshop(say) as shop:
        handle = await shop.client.enqueue(say, 3)
        await shop.drain()
        assert await handle.status() is RunStatus.DEAD

        replayed = await DeadLetters(shop.client).retry(handle.id)
        await shop.drain()
        again = await DeadLetters(shop.client).retry(replayed.id)
        await shop.drain()

        assert await again.status() is RunStatus.DEAD
        assert shop.page == ["hi"]
        await DeadLetters(shop.client).drop(again.id)
        assert not [name for name in await keys_of(shop.client) if name.startswith(keys.BOOK)]


async def test_an_effect_in_doubt_ends_the_run_until_a_person_has_settled_it(
    workshop: Open,
) -> None:
    async with workshop(stumble) as shop:
        handle = await shop.client.enqueue(stumble, ASK)
        await shop.drain()
        letter = await DeadLetters(shop.client).get(handle.id)
        (effect,) = await doubts(shop)
        shop.gate.set()

        assert "unknown, needs review" in letter.last.message
        assert (effect.place.run_id, effect.place.name) == (handle.id, "hi")
        assert (effect.job, effect.attempt) == ("test.stumble", 1)
        unsettled = await DeadLetters(shop.client).retry(handle.id)
        await shop.drain()
        assert await unsettled.status() is RunStatus.DEAD
        assert shop.page == ["hi"]
        (effect,) = await doubts(shop)
        assert effect.place.run_id == unsettled.id


@pytest.mark.parametrize(
    ("happened", "result", "page"), [(True, None, ["hi"]), (False, "said hi", ["hi", "hi"])]
)
async def test_a_settled_run_goes_on_as_the_person_says(
    workshop: Open, happened: bool, result: str | None, page: list[str]
) -> None:
    async with workshop(stumble) as shop:
        handle = await shop.client.enqueue(stumble, ASK)
        await shop.drain()
        (effect,) = await doubts(shop)
        shop.gate.set()

        first = await settle(ledger_of(shop.client), effect, happened=happened)
        second = await settle(ledger_of(shop.client), effect, happened=happened)
        replayed = await DeadLetters(shop.client).retry(handle.id)
        await shop.drain()

        assert is_same(first, second)
        assert first == (replace(effect, state=EffectState.SETTLED) if happened else None)
        assert await replayed.result() == result
        assert shop.page == page
        assert not await doubts(shop)


async def test_what_may_be_repeated_is_repeated_by_the_next_attempt(workshop: Open) -> None:
    async with workshop(stumble) as shop:
        handle = await shop.client.enqueue(stumble, REPEAT)

        await shop.drain()

        assert await handle.status() is RunStatus.DEAD
        assert shop.page == ["hi", "hi", "hi"]
        assert not await doubts(shop)
        await DeadLetters(shop.client).drop(handle.id)


async def test_a_doubt_outlives_the_run_that_goes_on_all_the_same(workshop: Open) -> None:
    async with workshop(forgive) as shop:
        handle = await shop.client.enqueue(forgive)

        await shop.drain()

        assert await handle.result() == "never mind"
        (effect,) = await doubts(shop)
        assert effect.place.run_id == handle.id
        await settle(ledger_of(shop.client), effect, happened=True)
        assert not await doubts(shop)


@pytest.mark.parametrize(("in_doubt", "page"), [(ASK, ["hi"]), (REPEAT, ["hi", "hi"])])
async def test_an_attempt_stopped_in_the_middle_is_followed_as_the_job_wants(
    workshop: Open, in_doubt: InDoubt, page: list[str]
) -> None:
    async with workshop(hang) as shop:
        handle = await shop.client.enqueue(hang, in_doubt)
        async with shop.working(grace=timedelta(0)):
            await eventually(lambda: shop.page == ["hi"])
        assert await handle.status() is RunStatus.QUEUED
        shop.gate.set()

        await shop.drain()

        assert shop.page == page
        expected = RunStatus.DEAD if in_doubt is ASK else RunStatus.SUCCEEDED
        assert await handle.status() is expected


async def test_a_cancelled_run_leaves_its_doubt_and_nothing_else(workshop: Open) -> None:
    async with workshop(hang) as shop:
        handle = await shop.client.enqueue(hang, ASK)
        async with shop.working():
            await eventually(lambda: shop.page == ["hi"])
            await handle.cancel()
            await eventually(lambda: bool(shop.heard))

        assert await handle.status() is RunStatus.CANCELLED
        (effect,) = await doubts(shop)
        await settle(ledger_of(shop.client), effect, happened=True)


async def test_who_has_lost_the_lease_begins_nothing(workshop: Open) -> None:
    caught: list[type[Exception]] = []

    @job(name="test.late", queue="default")
    async def late(ctx: Bench) -> None:
        await ctx.client.store.redis.set(keys.lease(ctx.attempt.run_id), "other:2")
        for act in (ctx.attempt.once, ctx.attempt.step):
            try:
                await act("hi", _say, ctx.page, "hi")
            except LeaseLost as error:
                caught.append(type(error))

    async with workshop(late) as shop:
        handle = await shop.client.enqueue(late)
        async with shop.working():
            await eventually(lambda: len(caught) == 2)

        assert shop.page == ["hi"]  # the step's, whose result could not be kept
        await shop.client.store.redis.delete(keys.lease(handle.id))
        await handle.cancel()
