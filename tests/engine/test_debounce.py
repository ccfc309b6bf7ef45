"""Calls under one key while the first still waits: one run, with the last one's arguments."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from arq.connections import RedisSettings

from app.engine import BadArguments, Client, Codec, Handle, Held, ManualClock, RunStatus, seconds
from app.engine.redis import keys
from app.engine.run import Claimed
from tests.engine.conftest import Open, Workshop, workshop_at
from tests.engine.jobs import pass_gate, write
from tests.engine.steps import alive, claim, completed, set_aside
from tests.engine.test_lost_answers import lose_answer
from tests.eventually import eventually
from tests.proxy import Proxy, proxied
from tests.rights import asked

LATER = write.with_options(key="k", debounce=seconds(5))
SOON = seconds(10)


@pytest.fixture
async def proxy(clean_redis: RedisSettings) -> AsyncGenerator[Proxy]:
    async with proxied(clean_redis) as opened:
        yield opened


@pytest.fixture
async def shop(workshop: Open) -> AsyncGenerator[Workshop]:
    async with workshop(write, pass_gate) as opened:
        yield opened


async def due_in(client: Client, handle: Handle[int]) -> float:
    """How many seconds from now it is due."""
    score = await client.store.redis.zscore(keys.queue("default"), handle.id)
    assert score is not None
    return (float(score) - (await client.store.server_time()).timestamp() * 1000) / 1000


async def test_later_calls_give_the_run_their_arguments_and_the_wait_anew(
    shop: Workshop, clock: ManualClock
) -> None:
    first = await shop.client.enqueue(LATER, "first")
    clock.advance(seconds(4))
    second = await shop.client.enqueue(LATER, "second")
    clock.advance(seconds(4))
    third = await shop.client.enqueue(LATER, "third")

    assert [each.is_new for each in (first, second, third)] == [True, False, False]
    assert {first.id, second.id, third.id} == {first.id}
    assert 0 < await due_in(shop.client, first) <= 5
    assert await first.status() is RunStatus.DEFERRED
    clock.advance(seconds(5))
    await shop.drain()
    assert shop.page == ["third"]
    assert await first.result() == await third.result() == len("third")


async def test_it_waits_no_longer_than_the_longest_wait(shop: Workshop, clock: ManualClock) -> None:
    bounded = write.with_options(key="k", debounce=seconds(5), longest_wait=seconds(8))
    first = await shop.client.enqueue(bounded, "0")
    for number in range(1, 3):
        clock.advance(seconds(3))
        await shop.client.enqueue(bounded, str(number))
    assert 0 < await due_in(shop.client, first) <= 2
    clock.advance(seconds(20))  # no worker was there
    late = await shop.client.enqueue(bounded, "late")

    await shop.drain()

    assert late.id == first.id
    assert shop.page == ["late"]


async def test_without_a_longest_wait_it_is_ten_times_the_debounce(
    shop: Workshop, clock: ManualClock
) -> None:
    first = await shop.client.enqueue(LATER, "x")
    for _ in range(12):
        clock.advance(seconds(4))
        await shop.client.enqueue(LATER, "y")

    assert 0 < await due_in(shop.client, first) <= 2
    await first.cancel()


async def test_once_it_runs_a_call_is_a_run_of_its_own(workshop: Open) -> None:
    async with workshop(pass_gate) as shop:
        at_once = pass_gate.with_options(key="k", debounce=seconds(0.01))
        async with shop.working():
            first = await shop.client.enqueue(at_once, "first")
            await eventually(lambda: shop.page)
            second = await shop.client.enqueue(at_once, "second")
            shop.gate.set()

            assert second.is_new
            assert await first.result(within=SOON) == "first, attempt 1"
            assert await second.result(within=SOON) == "second, attempt 1"
        assert await asked(shop.client.store.redis, "KEYS", "steward:unique:*") == []


async def test_a_run_that_starts_between_the_two_steps_is_followed_by_another(
    client: Client,
) -> None:
    first = await client.enqueue(write.with_options(key="k", debounce=seconds(0.001)), "first")
    async with alive(client.store, "w1"):
        runs = await eventually(lambda: _claimed(client))
        late = client.prepare(write.with_options(key="k", debounce=seconds(5)).call("late"))

        assert not await client.store.postpone(late)

        second = await client.enqueue(LATER, "second")
        assert second.is_new
        assert second.id != first.id
        await client.store.commit([completed(runs[0], key="k")])
        assert not (await client.enqueue(LATER, "third")).is_new  # the key is the second's
        await second.cancel()


async def _claimed(client: Client) -> tuple[Claimed, ...]:
    return (await claim(client.store)).runs


async def test_a_run_under_the_key_that_is_not_debounced_stays_as_it_is(
    shop: Workshop, clock: ManualClock
) -> None:
    for held in (Held.ACTIVE, Held.QUEUED, timedelta(minutes=1)):
        shop.page.clear()
        clock.advance(timedelta(minutes=2))
        plain = write.with_options(key="k", held=held, delay=seconds(30))
        first = await shop.client.enqueue(plain, "plain")

        second = await shop.client.enqueue(LATER, "debounced")

        assert (second.id, second.is_new) == (first.id, False)
        assert 10 < await due_in(shop.client, first) <= 30
        clock.advance(seconds(30))
        await shop.drain()
        assert shop.page == ["plain"]


async def test_a_hundred_at_once_make_one_run(shop: Workshop, clock: ManualClock) -> None:
    handles = await asyncio.gather(*(shop.client.enqueue(LATER, str(n)) for n in range(100)))

    assert sum(each.is_new for each in handles) == 1
    assert len({each.id for each in handles}) == 1
    clock.advance(seconds(5))
    await shop.drain()
    assert len(shop.page) == 1


async def test_a_parked_run_gets_the_arguments_and_stays_parked(client: Client) -> None:
    soon = write.with_options(key="k", debounce=seconds(0.001))
    handle = await client.enqueue(soon, "first")
    async with alive(client.store, "w1"):
        (run,) = await eventually(lambda: _claimed(client))
        await client.store.commit([set_aside(run)])

        again = await client.enqueue(soon, "second")

        assert again.id == handle.id
        assert await handle.status() is RunStatus.PARKED
        assert await handle.cancel()


async def test_a_lost_answer_moves_it_all_the_same(
    proxy: Proxy, clean_redis: RedisSettings, codec: Codec
) -> None:
    async with (
        workshop_at(proxy.settings, codec, write) as shop,
        Client.open(clean_redis, codec) as stranger,
    ):
        soon = write.with_options(key="k", debounce=seconds(0.5))
        first = await shop.client.enqueue(soon, "first")
        await lose_answer(proxy, stranger, "postpone")

        again = await shop.client.enqueue(soon, "second")

        assert again.id == first.id
        await shop.drain()
        assert shop.page == ["second"]


@pytest.mark.parametrize(
    "options",
    [
        {"debounce": seconds(5)},
        {"key": "k", "debounce": seconds(0)},
        {"key": "k", "debounce": seconds(5), "delay": seconds(1)},
        {"key": "k", "debounce": seconds(5), "id": "chosen"},
        {"key": "k", "debounce": seconds(5), "held": Held.QUEUED},
        {"key": "k", "debounce": seconds(5), "longest_wait": seconds(4)},
        {"key": "k", "longest_wait": seconds(4)},
    ],
)
def test_what_can_not_be_debounced_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadArguments, match="debounce"):
        write.with_options(**options)


async def test_in_bulk_nothing_is_debounced(client: Client) -> None:
    with pytest.raises(BadArguments, match="one by one"):
        await client.enqueue_many([LATER.call("x")])

    assert await asked(client.store.redis, "KEYS", "*") == []
