"""What was carried out, and nobody heard of it: it is not done twice, and not forgotten."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import Call, Client, Codec, Handle, RunStatus, seconds
from app.engine.outcome import Dead, Succeeded
from app.engine.redis import keys
from app.engine.redis.steps import source
from tests.engine.conftest import Workshop, workshop_at
from tests.engine.jobs import die, fail, pass_gate, write
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.proxy import Proxy, proxied

RARELY, SOON = seconds(30), seconds(2)
JOBS = (write, pass_gate, fail, die)


@pytest.fixture
async def proxy(clean_redis: RedisSettings) -> AsyncGenerator[Proxy]:
    async with proxied(clean_redis) as opened:
        yield opened


@pytest.fixture
async def shop(proxy: Proxy, codec: Codec) -> AsyncGenerator[Workshop]:
    """A workshop whose way to Redis can be cut."""
    async with workshop_at(proxy.settings, codec, *JOBS) as opened:
        yield opened


@pytest.fixture
async def stranger(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[Client]:
    """A client with a way of its own."""
    async with Client.open(clean_redis, codec) as opened:
        yield opened


async def lose_answer(proxy: Proxy, stranger: Client, step: str) -> None:
    """The next such step is carried out, and its answer lost."""
    sha: Any = await stranger.store.redis.script_load(source(step))
    proxy.lose_answer(to=sha.encode())


async def test_a_worker_whose_first_sign_of_life_is_not_confirmed_begins_all_the_same(
    shop: Workshop, proxy: Proxy, stranger: Client
) -> None:
    await lose_answer(proxy, stranger, "say")

    async with shop.working(poll=RARELY):
        await (await stranger.enqueue(write, "it")).result(within=SOON)

    assert proxy.has_lost_it
    assert shop.page == ["it"]


@pytest.mark.case(18)
async def test_of_1000_enqueues_with_every_20th_answer_lost_each_is_stored_once(
    shop: Workshop, proxy: Proxy, stranger: Client, case: Case
) -> None:
    handles = [await shop.client.enqueue(write, "0")]
    for n in range(1, 1_000):
        if n % 20 == 0:
            await lose_answer(proxy, stranger, "enqueue_one")
        handles.append(await shop.client.enqueue(write, str(n)))
        assert proxy.has_lost_it

    queued: Any = await stranger.store.redis.zrange(keys.queue("default"), 0, -1)
    case.says(
        "1,000 enqueues, the answer to every 20th lost",
        arq="None for each, as if it were a repetition; cut a moment before, 50 lost",
        steward=f"{len(queued):,} stored, each once, and all told so",
    )
    assert all(handle.is_new for handle in handles)
    assert sorted(id.decode() for id in queued) == sorted(handle.id for handle in handles)


@pytest.mark.case(18)
async def test_runs_of_a_claim_nobody_heard_of_start_at_once_as_the_first_attempt(
    shop: Workshop, proxy: Proxy, stranger: Client
) -> None:
    async with shop.working(poll=RARELY):
        await (await stranger.enqueue(write, "idle")).result(within=SOON)
        await lose_answer(proxy, stranger, "claim")

        handles = await stranger.enqueue_many(write.call(str(n)) for n in range(20))
        for handle in handles:
            await handle.result(within=SOON)

    assert sorted(shop.page[1:]) == sorted(str(n) for n in range(20))
    assert {over.run.attempt for over in shop.heard} == {1}


@pytest.mark.case(18)
@pytest.mark.parametrize(
    ("call", "by", "attempts"),
    [(write.call("x"), "complete", 1), (fail.call(), "retry", 3), (die.call("x"), "bury", 1)],
    ids=["complete", "retry", "bury"],
)
async def test_a_commit_nobody_heard_of_stands(
    shop: Workshop,
    proxy: Proxy,
    stranger: Client,
    caplog: pytest.LogCaptureFixture,
    call: Call[Any],
    by: str,
    attempts: int,
) -> None:
    await lose_answer(proxy, stranger, by)

    async with shop.working(poll=RARELY):
        handle = await stranger.enqueue_call(call)
        await eventually(lambda: len(shop.heard) == attempts, within=SOON)

    assert await handle.status() in {RunStatus.SUCCEEDED, RunStatus.DEAD}
    assert sorted(over.run.attempt for over in shop.heard) == [*range(1, attempts + 1)]
    assert len(shop.page) == attempts
    assert "taken over" not in caplog.text


@pytest.mark.case(22)
async def test_scripts_forgotten_between_any_two_steps_cost_nothing(
    shop: Workshop, stranger: Client
) -> None:
    calls: list[Call[Any]] = [write.call("x"), fail.call(), die.call("x")]

    async with shop.working(poll=RARELY):
        for call in calls * 10:
            await stranger.store.redis.script_flush()
            handle: Handle[Any] = await shop.client.enqueue_call(call)
            await eventually(partial(_is_over, shop, handle.id), within=SOON)

    assert len(shop.page) == len(shop.heard) == 10 * (1 + 3 + 1)


async def _is_over(shop: Workshop, run_id: str) -> bool:
    outcomes = [over.outcome for over in shop.heard if over.run.id == run_id]
    return isinstance(outcomes[-1], Succeeded | Dead) if outcomes else False


@pytest.mark.case(22)
async def test_scripts_forgotten_all_the_time_cost_nothing(
    shop: Workshop, stranger: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def forget() -> None:
        while True:
            await stranger.store.redis.script_flush()

    async with anyio.create_task_group() as group:
        group.start_soon(forget)
        async with shop.working(poll=RARELY):
            calls: list[Call[Any]] = [write.call("x"), fail.call(), die.call("x")]
            for call in calls * 20:
                await shop.client.enqueue_call(call)
            await eventually(lambda: len(shop.heard) == 20 * (1 + 3 + 1), within=SOON)
        group.cancel_scope.cancel()

    assert len(shop.page) == 20 * (1 + 3 + 1)
    assert "NOSCRIPT" not in caplog.text
