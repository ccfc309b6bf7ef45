"""Many calls at once, when something goes wrong with one of them or with the way to Redis."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import (
    BadArguments,
    Client,
    Codec,
    Handle,
    PartlyStored,
    TooLarge,
    Unavailable,
    UnknownJob,
    seconds,
)
from app.engine.redis import keys
from app.engine.redis.steps import source
from tests.engine.conftest import Workshop, workshop_at
from tests.engine.jobs import die, write
from tests.eventually import eventually
from tests.proxy import Proxy, proxied

MANY = 1_000


@pytest.fixture
async def proxy(clean_redis: RedisSettings) -> AsyncGenerator[Proxy]:
    async with proxied(clean_redis) as opened:
        yield opened


@pytest.fixture
async def shop(proxy: Proxy, codec: Codec) -> AsyncGenerator[Workshop]:
    """A workshop whose way to Redis can be cut."""
    async with workshop_at(proxy.settings, codec, write) as opened:
        yield opened


@pytest.fixture
async def stranger(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[Client]:
    """A client with a way of its own."""
    async with Client.open(clean_redis, codec) as opened:
        yield opened


async def queued(stranger: Client) -> list[str]:
    """The ids on the queue, in the order in which they will run."""
    found: Any = await stranger.store.redis.zrange(keys.queue("default"), 0, -1)
    return [id.decode() for id in found]


def ids_of(handles: Sequence[Handle[Any]]) -> list[str]:
    """Theirs, all of them of runs that are new."""
    assert all(handle.is_new for handle in handles)
    return [handle.id for handle in handles]


async def test_of_calls_made_together_those_refused_fail_alone(
    shop: Workshop, stranger: Client
) -> None:
    wrong: Any = write
    calls = [shop.client.enqueue(write, str(n)) for n in range(50)]
    calls[10:10] = [
        shop.client.enqueue(wrong, 1, 2, 3),
        shop.client.enqueue(wrong, "x" * 1_000_000),
    ]
    unknown = shop.client.enqueue(die, "x")

    answers = await asyncio.gather(*calls, unknown, return_exceptions=True)

    handles = [each for each in answers if isinstance(each, Handle)]
    refusals = [type(each) for each in answers if isinstance(each, Exception)]
    assert refusals == [BadArguments, TooLarge, UnknownJob]
    assert ids_of(handles) == await queued(stranger)


@pytest.mark.parametrize("cancelled", [0, 25, 49])
async def test_a_cancelled_caller_drops_nobody_elses_call(
    shop: Workshop, proxy: Proxy, stranger: Client, cancelled: int
) -> None:
    await shop.client.ping()
    handles = list[Handle[int]]()
    scopes = [anyio.CancelScope() for _ in range(50)]

    async def enqueue(scope: anyio.CancelScope) -> None:
        with scope:
            handles.append(await shop.client.enqueue(write, "x"))

    proxy.freeze()
    async with anyio.create_task_group() as group:
        for scope in scopes:
            group.start_soon(enqueue, scope)
        await anyio.wait_all_tasks_blocked()
        scopes[cancelled].cancel()
        proxy.heal()

    assert len(handles) == 49
    assert set(ids_of(handles)) <= set(await queued(stranger))


@pytest.mark.case(18)
@pytest.mark.parametrize("unheard", [0, 500, MANY - 1])
async def test_a_cut_within_many_is_mended_with_the_same_ids(
    shop: Workshop, proxy: Proxy, stranger: Client, unheard: int
) -> None:
    await stranger.store.redis.script_load(source("enqueue"))
    calls = [write.call(f"text-{n:03}") for n in range(MANY)]
    proxy.lose_answer(to=f"text-{unheard:03}".encode())

    handles = await shop.client.enqueue_many(calls)

    assert proxy.has_lost_it
    assert len(set(ids_of(handles))) == MANY
    assert sorted(await queued(stranger)) == sorted(ids_of(handles))


@pytest.mark.case(18)
async def test_calls_made_together_whose_answer_is_lost_are_each_stored_once(
    shop: Workshop, proxy: Proxy, stranger: Client
) -> None:
    sha: Any = await stranger.store.redis.script_load(source("enqueue"))
    proxy.lose_answer(to=sha.encode())

    calls = (shop.client.enqueue(write, str(n)) for n in range(100))
    handles = await asyncio.gather(*calls)

    assert proxy.has_lost_it
    assert sorted(ids_of(handles)) == sorted(await queued(stranger))


@pytest.mark.case(18)
async def test_a_run_that_is_over_before_its_enqueue_was_confirmed_is_new(
    shop: Workshop, proxy: Proxy, stranger: Client
) -> None:
    sha: Any = await stranger.store.redis.script_load(source("enqueue_one"))
    worker = Workshop(client=stranger, redis=shop.redis, jobs=shop.jobs)
    async with worker.working():
        proxy.lose_answer(to=sha.encode())

        handle = await shop.client.enqueue(write, "quick")

        assert await handle.result(within=seconds(5)) == 5
        assert worker.page == ["quick"]
        assert handle.is_new
        assert proxy.has_lost_it


async def _cut_within(shop: Workshop, proxy: Proxy, stranger: Client) -> Unavailable:
    """The error of many calls during which the way to Redis was cut for good."""
    hasty = Client(shop.client.store, shop.client.codec, patience=seconds(0.5))
    errors = list[Unavailable]()

    async def enqueue() -> None:
        with pytest.raises(Unavailable) as refused:
            await hasty.enqueue_many(write.call(str(n)) for n in range(20_000))
        errors.append(refused.value)

    async with anyio.create_task_group() as group:
        group.start_soon(enqueue)
        await eventually(lambda: _are_many(stranger))
        proxy.cut()
    return errors[0]


async def _are_many(stranger: Client) -> bool:
    """Whether some chunks are stored and confirmed: only a few are under way at a time."""
    return int(await stranger.store.redis.zcard(keys.queue("default"))) > 3_000


async def test_when_the_deadline_has_passed_the_error_lists_what_is_stored(
    shop: Workshop, proxy: Proxy, stranger: Client
) -> None:
    error = await _cut_within(shop, proxy, stranger)

    assert isinstance(error, PartlyStored)
    there = set(await queued(stranger))
    assert error.stored
    assert set(error.stored) <= there
    assert len(there) < 20_000
    assert len({*error.stored, *error.missing}) == 20_000 == len(error.stored) + len(error.missing)


async def test_a_cut_for_good_is_an_error_and_half_of_nothing_is_stored(
    shop: Workshop, proxy: Proxy, stranger: Client
) -> None:
    await _cut_within(shop, proxy, stranger)

    stored = await queued(stranger)
    payloads: Any = await stranger.store.redis.exists(*map(keys.payload, stored))
    assert payloads == len(stored)
