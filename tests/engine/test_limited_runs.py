"""Runs of jobs with limits, on real workers: never more than fit, and none forgotten."""

from collections import Counter
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from functools import partial
from hashlib import sha1
from time import monotonic
from typing import Any

import anyio
import pytest

from app.engine import (
    NEVER,
    AtOnce,
    Breaker,
    Fixed,
    ManualClock,
    Rate,
    RetryLater,
    RunStatus,
    job,
    minutes,
    seconds,
)
from app.engine.redis import keys
from app.engine.redis.steps import source
from tests.engine.conftest import Bench, Open, Workshop
from tests.engine.jobs import write
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.rights import asked

SOON = seconds(20)
inside, most_inside = Counter[str](), Counter[str]()
started = list[tuple[str, float]]()


@pytest.fixture(autouse=True)
def nobody_inside() -> None:
    for each in (inside, most_inside, started):
        each.clear()


@contextmanager
def counted(key: str) -> Generator[None]:
    """Be inside, and remember how many were at once."""
    inside[key] += 1
    most_inside[key] = max(most_inside[key], inside[key])
    started.append((key, monotonic()))
    try:
        yield
    finally:
        inside[key] -= 1


@job(name="test.visit", queue="default", limits=[AtOnce(2, by="who")])
async def visit(ctx: Bench, who: str, text: str = "") -> None:
    with counted(who):
        await anyio.sleep(0.002)
        ctx.page.append(text or who)


@job(name="test.enter", queue="default", limits=[AtOnce(1)], retry=NEVER)
async def enter(ctx: Bench, text: str) -> None:
    ctx.page.append(f"{text} in")
    await ctx.gate.wait()
    ctx.page.append(f"{text} out")


@job(name="test.tick", queue="default", limits=[Rate(5, per=seconds(0.5))])
async def tick(_ctx: Bench) -> None:
    started.append(("tick", monotonic()))


@job(name="test.bounce", queue="default", limits=[AtOnce(1)], retry=Fixed(timedelta(0), 3))
async def bounce(ctx: Bench, text: str) -> None:
    ctx.page.append(f"{text} {ctx.attempt.number}")
    if ctx.attempt.number == 1:
        raise RuntimeError("once")
    if ctx.page.count(f"{text} 2") == 1:
        raise RetryLater(timedelta(0))


async def left(shop: Workshop) -> list[bytes]:
    """What lines and places there are."""
    found: list[Any] = await asked(shop.client.store.redis, "KEYS", "steward:[plg]*")
    return sorted(key for key in found if not key.startswith(b"steward:latest"))


async def test_no_more_than_the_limit_is_at_work_over_all_workers(workshop: Open) -> None:
    async with workshop(visit, write) as shop, AsyncExitStack() as stack:
        calls = [visit.call(who) for who in ("ann", "bob") for _ in range(60)]
        handles = await shop.client.enqueue_many(calls)
        for _ in range(3):
            await stack.enter_async_context(shop.working(concurrency=20))
        for each in handles:
            await each.result(within=SOON)

        assert most_inside == {"ann": 2, "bob": 2}
        assert Counter(shop.page) == {"ann": 60, "bob": 60}
        await eventually(lambda: _is_empty(shop))


async def _is_empty(shop: Workshop) -> bool:
    return not await left(shop)


async def test_who_has_waited_longest_comes_first_and_each_attempt_is_the_first(
    workshop: Open,
) -> None:
    async with workshop(visit) as shop:
        await shop.client.enqueue_many(visit.call("ann", f"{n:02}") for n in range(40))

        await shop.drain(concurrency=10)

        assert [abs(int(text) - n) <= 1 for n, text in enumerate(shop.page)] == [True] * 40
        assert {over.run.attempt for over in shop.heard} == {1}
        assert await left(shop) == []


async def test_a_flood_of_one_key_keeps_neither_the_worker_busy_nor_others_waiting(
    workshop: Open,
) -> None:
    async with workshop(enter, visit, write) as shop:
        before = await _places_and_put_offs(shop)
        flood = await shop.client.enqueue_many(enter.call(str(n)) for n in range(300))
        async with shop.working(concurrency=10):
            await eventually(lambda: shop.page)
            for text in ("a", "b", "c"):
                other = await shop.client.enqueue(visit, "ann", text)
                await other.result(within=SOON)
            assert shop.page == ["0 in", "a", "b", "c"]
            assert (
                await _places_and_put_offs(shop) - before <= len(flood) + 5
            )  # each was asked once
            for each in flood[1:]:
                assert await each.cancel()
            shop.gate.set()
            await flood[0].result(within=SOON)
        assert await left(shop) == []


async def _places_and_put_offs(shop: Workshop) -> int:
    """How many there ever were on this server: a field of a hash each."""
    said: Any = await shop.client.store.redis.info("commandstats")
    return int(said.get("cmdstat_hset", {"calls": 0})["calls"])


async def test_a_job_without_limits_pays_nothing(workshop: Open) -> None:
    async with workshop(write) as shop:
        await shop.client.store.redis.script_flush()
        await shop.client.enqueue_many(write.call(str(n)) for n in range(20))

        await shop.drain()

        sha = sha1(source("admit").encode(), usedforsecurity=False).hexdigest()
        admit: Any = await shop.client.store.redis.script_exists(sha)
        assert admit == [False]


async def test_a_rate_is_kept_in_every_span(workshop: Open) -> None:
    async with workshop(tick) as shop, AsyncExitStack() as stack:
        handles = await shop.client.enqueue_many(tick.call() for _ in range(17))
        for _ in range(2):
            await stack.enter_async_context(shop.working())
        for each in handles:
            await each.result(within=SOON)

    times = sorted(at for _, at in started)
    assert len(times) == 17
    for first, sixth in zip(times, times[5:], strict=False):
        assert sixth - first > 0.4  # a start is a little later than its admission, more or less


async def test_failing_and_snoozing_give_the_place_away_and_ask_for_it_again(
    workshop: Open,
) -> None:
    async with workshop(bounce) as shop:
        await shop.client.enqueue_many(bounce.call(text) for text in "ab")

        await shop.drain()

        assert sorted(shop.page) == sorted(f"{text} {n}" for text in "ab" for n in (1, 2, 2))
        assert await left(shop) == []


async def test_a_worker_that_stops_gives_back_who_asks_and_who_runs(workshop: Open) -> None:
    async with workshop(enter) as shop:
        handles = await shop.client.enqueue_many(enter.call(text) for text in "ab")
        async with shop.working(grace=timedelta(0)):
            await eventually(lambda: shop.page)
        shop.gate.set()

        await shop.drain()

        assert [await each.status() for each in handles] == [RunStatus.SUCCEEDED] * 2
        assert {over.run.attempt for over in shop.heard} == {1}
        assert await left(shop) == []


async def test_a_run_that_waits_for_room_is_cancelled_at_once(workshop: Open) -> None:
    async with workshop(enter) as shop, shop.working():
        first, second = await shop.client.enqueue_many(enter.call(text) for text in "ab")
        await eventually(lambda: _is(second.status(), RunStatus.DEFERRED))

        assert await second.cancel()

        assert await second.status() is RunStatus.CANCELLED
        shop.gate.set()
        await first.result(within=SOON)
        assert shop.page == ["a in", "a out"]


async def _is(status: Any, expected: RunStatus) -> bool:
    return (await status) is expected


class Provider:
    """Somebody's interface; down, or busy, or well."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls = Counter[str]()

    def answer(self, account: str) -> None:
        self.calls[account] += 1
        if self.error:
            raise self.error


class TooManyRequests(Exception):
    """As a provider's client raises it."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__("429")
        self.retry_after = retry_after


provider = Provider()
SHARED = Breaker(name="provider", by="account", failures=5, rest=minutes(1))
RETRY = Fixed(seconds(30), attempts=4)


@job(name="test.ask", queue="default", limits=[SHARED], retry=RETRY)
async def ask(_ctx: Bench, account: str) -> None:
    provider.answer(account)


@job(name="test.ask_too", queue="urgent", limits=[SHARED], retry=RETRY)
async def ask_too(_ctx: Bench, account: str) -> None:
    provider.answer(account)


@pytest.fixture(autouse=True)
def a_provider_that_is_well() -> None:
    provider.error = None
    provider.calls.clear()


@pytest.mark.case(37)
async def test_one_429_parks_every_run_of_the_account_over_all_jobs_and_charges_none(
    workshop: Open, clock: ManualClock
) -> None:
    async with workshop(ask, ask_too) as shop:
        provider.error = TooManyRequests(minutes(10))
        async with shop.working(concurrency=1):
            first = await shop.client.enqueue(ask, "ann")
            await eventually(lambda: shop.heard)
            await eventually(lambda: _opened(shop))
            others = [
                await shop.client.enqueue(which, "ann")
                for which in (ask, ask_too)
                for _ in range(9)
            ]
            provider.error = None
            (bob,) = [await shop.client.enqueue(ask, "bob")]
            await bob.result(within=SOON)
            await eventually(lambda: _all_deferred([first, *others]))
            assert provider.calls == {"ann": 1, "bob": 1}

            clock.advance(minutes(12))
            for each in (first, *others):
                await each.result(within=SOON)

        assert {over.run.attempt for over in shop.heard} == {1}
        endings = Counter(type(over.outcome).__name__ for over in shop.heard)
        assert endings == {"Snoozed": 1, "Succeeded": 20}


async def _opened(shop: Workshop) -> bool:
    redis: Any = shop.client.store.redis
    return b"until" in await redis.hgetall(keys.BREAKER + "breaker:provider:ann")


async def _all_deferred(handles: list[Any]) -> bool:
    return {await each.status() for each in handles} == {RunStatus.DEFERRED}


@pytest.mark.case(37)
async def test_when_a_provider_is_down_thousands_wait_and_one_at_a_time_knocks(
    workshop: Open, clock: ManualClock, tier: Tier, case: Case
) -> None:
    count, concurrency = tier.of(1_000, 5_000), 20
    async with workshop(ask) as shop:
        provider.error = ConnectionRefusedError("nobody is there")
        handles = await shop.client.enqueue_many(ask.call("ann") for _ in range(count))
        async with shop.working(concurrency=concurrency):
            await eventually(lambda: _in_line(shop, count - concurrency))
            down = provider.calls["ann"]
            for knocks in range(1, 4):
                clock.advance(minutes(2))
                await eventually(partial(_called, down + knocks))
            provider.error = None
            clock.advance(minutes(2))
            for each in handles:
                await each.result(within=seconds(60))

        tries = Counter(over.run.id for over in shop.heard)
        retries = [over for over in shop.heard if type(over.outcome).__name__ == "Retrying"]
        assert down <= concurrency
        assert max(tries.values()) <= RETRY.attempts
        assert len(retries) == down + 3
        assert await left(shop) == []
    case.says(
        f"{count:,} runs meet a provider that is down for 8 minutes",
        steward=f"breaker open after {down} failures, then one try a minute; "
        f"{len(retries)} attempts charged of {count:,}, at most {max(tries.values())} tries each",
        arq="every job tries max_tries times, then fails",
    )


def _called(times: int) -> bool:
    return provider.calls["ann"] == times


async def _in_line(shop: Workshop, at_least: int) -> bool:
    line = await shop.client.store.redis.zcard(keys.LINE + "breaker:provider:ann")
    return int(line) >= at_least


@job(name="test.fail_together", queue="default", retry=Fixed(minutes(1), attempts=2))
async def fail_together(_ctx: Bench) -> None:
    raise ConnectionRefusedError("nobody is there")


@pytest.mark.case(37)
async def test_what_fails_together_is_tried_again_spread_out(
    workshop: Open, clock: ManualClock, tier: Tier, case: Case
) -> None:
    count = tier.of(1_000, 5_000)
    async with workshop(fail_together) as shop:
        await shop.client.enqueue_many(fail_together.call() for _ in range(count))
        async with shop.working():
            await eventually(lambda: len(shop.heard) == count, within=seconds(60))
            found: Any = await shop.client.store.redis.zrange(
                keys.queue("default"), 0, -1, withscores=True
            )
            clock.advance(minutes(2))
            await eventually(lambda: len(shop.heard) == 2 * count, within=seconds(60))
        assert Counter(over.outcome.__class__.__name__ for over in shop.heard) == {
            "Retrying": count,
            "Dead": count,
        }
        await asked(shop.client.store.redis, "FLUSHDB")

    scores = sorted(score for _, score in found)
    seconds_of = Counter(int(score / 1000) for score in scores)
    nine_in_ten = (scores[count * 95 // 100] - scores[count * 5 // 100]) / 1000
    mean = 0.9 * count / nine_in_ten
    assert len(seconds_of) >= 6
    assert max(seconds_of.values()) <= 2 * mean
    case.says(
        f"{count:,} runs fail together",
        steward=f"tried again over {len(seconds_of)} s, {max(seconds_of.values())} a second at "
        f"most ({max(seconds_of.values()) / mean:.1f} x mean), {RETRY.attempts} tries at most",
        arq="Retry(defer=60) has no jitter: all in the same instant",
    )
