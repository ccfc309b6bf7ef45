"""One key, a hundred producers: one run is new and 99 find it, as often as the key is let go."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from signal import SIGKILL
from typing import Any

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, Handle, Held, Job, ManualClock, RunStatus, minutes, seconds
from app.engine.redis import keys
from tests import servers
from tests.engine.conftest import workshop_at
from tests.engine.jobs import pass_gate, write
from tests.engine.steps import alive, buried, claim, completed, dies, put_back
from tests.eventually import eventually
from tests.plugins.cases import Case

MANY = 100
HELD = (Held.QUEUED, Held.ACTIVE, minutes(1))
SOON = seconds(20)


@pytest.fixture
async def producers(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[list[Client]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Client.open(clean_redis, codec)) for _ in range(10)]


async def enqueue_all(
    producers: Sequence[Client], job: Job[Any, ..., Any], text: str = "x"
) -> Handle[Any]:
    """Enqueue it a hundred times at once; the run that stands for them all, one of them new."""
    handles = await asyncio.gather(
        *(producers[n % len(producers)].enqueue(job, text) for n in range(MANY))
    )
    assert Counter(each.is_new for each in handles) == {True: 1, False: MANY - 1}
    assert len({each.id for each in handles}) == 1
    return handles[0]


@pytest.mark.case(43)
@pytest.mark.parametrize("held", HELD)
async def test_of_a_hundred_at_once_one_is_new_and_again_once_the_key_is_free(
    producers: Sequence[Client], client: Client, held: Held | timedelta
) -> None:
    job = write.with_options(key="k", held=held)
    first = await enqueue_all(producers, job)
    async with alive(client.store, "w1"):
        (run,) = (await claim(client.store)).runs
        assert run.id == first.id
        if held is Held.QUEUED:  # it runs: the key is free
            second = await enqueue_all(producers, job)
            await client.store.commit([completed(run, key="k")])
            (run,) = (await claim(client.store)).runs
            assert run.id == second.id
        await client.store.commit([completed(run, key="k")])
        if isinstance(held, timedelta):  # it has ended: the window goes on
            again = await producers[0].enqueue(job, "x")
            assert (again.id, again.is_new) == (run.id, False)
            await client.store.redis.delete("steward:unique:k")

        third = await enqueue_all(producers, job)

        assert third.id != first.id
        await third.cancel()


@pytest.mark.case(43)
async def test_a_window_ends_whatever_became_of_the_run(client: Client, clock: ManualClock) -> None:
    job = write.with_options(key="k", held=minutes(1))
    first = await client.enqueue(job, "x")
    clock.advance(seconds(59))
    assert not (await client.enqueue(job, "x")).is_new
    clock.advance(seconds(1))

    second = await client.enqueue(job, "x")

    assert second.is_new
    assert await first.cancel()
    assert not (await client.enqueue(job, "x")).is_new
    assert await second.cancel()


@pytest.mark.case(43)
@pytest.mark.parametrize("held", [Held.QUEUED, Held.ACTIVE])
async def test_every_end_of_a_run_lets_its_key_go(client: Client, held: Held) -> None:
    job = write.with_options(key="k", held=held)
    async with alive(client.store, "w1"):
        for end in (completed, buried):
            assert (await client.enqueue(job, "x")).is_new
            (run,) = (await claim(client.store)).runs
            await client.store.commit([put_back(run, timedelta(0))])
            assert not (await client.enqueue(job, "x")).is_new  # it waits for its next try
            (run,) = (await claim(client.store)).runs
            await client.store.commit([end(run, key="k")])
        cancelled = await client.enqueue(job, "x")
        assert cancelled.is_new
        await cancelled.cancel()

    assert await client.store.redis.exists("steward:unique:k") == 0


@pytest.mark.case(43)
async def test_a_dead_workers_run_keeps_its_key_until_another_has_done_it(
    client: Client, producers: Sequence[Client]
) -> None:
    job = write.with_options(key="k", held=Held.ACTIVE)
    async with alive(client.store, "w1", "w2"):
        first = await enqueue_all(producers, job)
        await claim(client.store, "w1")
        await dies(client.store, "w1")
        assert not (await client.enqueue(job, "x")).is_new

        (taken_over,) = (await claim(client.store, "w2")).runs
        await client.store.commit([completed(taken_over, key="k")])

        assert taken_over.id == first.id
        assert await (await enqueue_all(producers, job)).cancel()


@pytest.mark.case(43)
async def test_a_key_whose_run_is_lost_is_free(client: Client, producers: Sequence[Client]) -> None:
    job = write.with_options(key="k")
    first = await enqueue_all(producers, job)
    await client.store.redis.delete(keys.payload(first.id), keys.queue("default"))

    assert await (await enqueue_all(producers, job)).cancel()


@pytest.mark.case(43)
async def test_keys_outlive_a_killed_server_and_are_let_go_by_its_workers(
    codec: Codec, case: Case
) -> None:
    durable = {"appendonly": "yes", "appendfsync": "always"}
    job = pass_gate.with_options(key="k")
    with servers.folder() as place:
        async with (
            servers.running(servers.program("valkey"), place, **durable) as server,
            workshop_at(server.nearby, codec, pass_gate) as shop,
            shop.working(lease=seconds(4)),
        ):
            first = await enqueue_all([shop.client], job)
            await eventually(lambda: shop.page)
            await server.stop(SIGKILL)
            await server.start()

            held = await shop.client.enqueue(job, "x")
            assert (held.id, held.is_new) == (first.id, False)
            shop.gate.set()
            await first.result(within=SOON)
            second = await enqueue_all([shop.client], job)
            await second.result(within=SOON)
            assert await second.status() is RunStatus.SUCCEEDED
    case.says(
        f"{MANY} enqueues of one key at once; again after its end, a crash, a Redis restart",
        steward=f"1 new and {MANY - 1} duplicates each time, and the key is free at once",
        arq="ids only: taken for as long as a result is kept, one hour",
    )
