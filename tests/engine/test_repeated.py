"""What is sent, claimed or looked for a second time, because an answer was lost."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import NEVER, Client, Codec, RetryLater, Unanswered, hours, job, seconds
from app.engine.ended import Ended, PutBack
from app.engine.outcome import Snoozed, Succeeded
from app.engine.redis import keys
from app.engine.redis.store import Store
from app.engine.roles.committer import Committer
from app.engine.roles.over import Over
from app.engine.run_options import Held
from tests.engine.conftest import Bench, Open, workshop_at
from tests.engine.jobs import write
from tests.engine.roles.test_claimer import Desk
from tests.engine.steps import (
    HOUR,
    QUEUES,
    alive,
    claim,
    claimed_ids,
    completed,
    put,
    put_back,
    set_aside,
)
from tests.engine.test_lost_answers import lose_answer
from tests.eventually import eventually
from tests.proxy import Proxy, proxied

QUEUED = write.with_options(key="k", held=Held.QUEUED)


@pytest.fixture
def store(client: Client) -> Store:
    return client.store


@pytest.fixture
async def proxy(clean_redis: RedisSettings) -> AsyncGenerator[Proxy]:
    async with proxied(clean_redis) as opened:
        yield opened


async def test_a_run_whose_commit_waits_is_not_claimed_again(client: Client, store: Store) -> None:
    await client.enqueue(write, "x")
    async with alive(store, "w1", "w2"):
        run = (await claim(store)).runs[0]
        snoozed = put_back(run, timedelta(0), is_charged=False)
        await store.commit([snoozed])  # it landed, and the answer was lost

        again = await claimed_ids(store, mine=[run.id])
        await store.commit([snoozed])  # sent once more
        await store.redis.delete(*map(keys.claimed, QUEUES))  # half a second later
        theirs = (await claim(store, "w2")).runs

        assert (again, [each.id for each in theirs]) == ([], [run.id])
        await store.commit([completed(theirs[0])])


async def test_what_is_over_is_not_begun_again_though_its_lease_has_lapsed(
    client: Client, store: Store
) -> None:
    await client.enqueue(write, "x")
    async with alive(store, "w1"):
        run = (await claim(store)).runs[0]
        await store.redis.delete(keys.lease(run.id), *map(keys.claimed, QUEUES))

        again = await claimed_ids(store, mine=[run.id])

        assert again == []
        await store.commit([completed((await claim(store, mine=[])).runs[0])])


@job(name="test.yawn", queue="default")
async def yawn(ctx: Bench) -> None:
    """Ask for another time at once, and then wait at the gate."""
    ctx.page.append("begins")
    if len(ctx.page) == 1:
        raise RetryLater(seconds(0))
    await ctx.gate.wait()


async def test_a_snooze_nobody_heard_of_begins_one_attempt(
    proxy: Proxy, codec: Codec, client: Client
) -> None:
    async with workshop_at(proxy.settings, codec, yawn) as shop:
        await lose_answer(proxy, client, "retry")
        async with shop.working(poll=seconds(0.1)):
            handle = await client.enqueue(yawn)
            await eventually(lambda: len(shop.page) == 2)
            await eventually(lambda: len(shop.heard) == 1)
            shop.gate.set()
            await handle.result(within=seconds(10))

    assert shop.page == ["begins", "begins"]


async def test_each_key_of_a_batch_is_let_go(client: Client, store: Store) -> None:
    async with alive(store, "w1"):
        await client.enqueue(QUEUED, "a")
        first = (await claim(store)).runs[0]
        await client.enqueue(QUEUED, "b")
        second = (await claim(store)).runs[0]

        await store.commit([completed(first, key="k"), completed(second, key="k")])

    assert await store.redis.get("steward:unique:k") is None


async def test_a_run_that_was_taken_over_keeps_its_key(client: Client, store: Store) -> None:
    async with alive(store, "w1", "w2"):
        await client.enqueue(QUEUED, "a")
        first = (await claim(store)).runs[0]
        await client.enqueue(QUEUED, "b")
        second = (await claim(store)).runs[0]
        await store.redis.set(keys.lease(second.id), "w2:2")

        await store.commit([completed(second, key="k"), completed(first, key="k")])

        assert await store.redis.get("steward:unique:k") == f"{second.id}|".encode()
        await store.redis.delete(keys.lease(second.id))
        theirs = (await claim(store, "w2", mine=[])).runs[0]
        await store.commit([completed(theirs, key="k")])


async def test_a_restored_run_that_never_began_is_not_charged(client: Client, store: Store) -> None:
    await client.enqueue(write, "x")
    async with alive(store, "w1"):
        run = (await claim(store)).runs[0]
        await store.commit([set_aside(run)])
        await store.unpark("w1", 10, QUEUES, [("test.write", 1)])
        await store.redis.delete(keys.lease(run.id), *map(keys.claimed, QUEUES))  # no slot in time

        again = (await claim(store)).runs[0]

        assert again.attempt == 1
        await store.commit([completed(again)])


async def test_a_score_beyond_all_dates_stops_nobody(store: Store) -> None:
    for far in (3e14, float("inf")):
        await store.redis.zadd(keys.queue("default"), {"far": far})

        assert (await claim(store)).runs == ()

    await store.redis.delete(keys.queue("default"))


async def test_a_claimer_looks_for_ours_until_each_queue_was_seen_to_its_end(
    client: Client,
) -> None:
    low, high = replace(write, queue="idle"), replace(write, queue="urgent")
    lost = [await put(client, low, str(n)) for n in range(2)]
    await claim(client.store)  # by w1, and the answer was lost
    for n in range(6):
        await put(client, high, str(n))
    desk, first = Desk(client, count=4), list[str]()
    claimer: Any = desk.claimer
    claimer.look_for_ours()
    claimer._doubts._wary_until = 0.0  # whatever time goes by

    async with alive(client.store, "w1"), anyio.create_task_group() as group:
        group.start_soon(desk.claimer.run)
        await eventually(lambda: len(desk.taken) == 4)
        first += [run.queue for run in desk.taken]
        desk.gate.set()
        await eventually(lambda: {run.id for run in desk.taken} >= set(lost))
        group.cancel_scope.cancel()

    assert set(first) == {"urgent"}
    await desk.slots.idle()
    await client.store.commit([completed(run) for run in desk.taken])


@job(name="test.moved", queue="idle", timeout=hours(1), retry=NEVER)
async def there(ctx: Bench) -> None:
    """What it was before."""
    await ctx.gate.wait()


@job(name="test.moved", queue="urgent", timeout=hours(1), retry=NEVER)
async def here(ctx: Bench) -> None:
    """The same, moved to another queue."""
    ctx.page.append("here")
    await ctx.gate.wait()


async def test_the_lease_of_a_job_that_moved_outlasts_its_runs(workshop: Open) -> None:
    async with workshop(there) as shop:
        handle = await shop.client.enqueue(there)
        async with shop.working(jobs=[here]):
            await eventually(lambda: shop.page)
            lasts = await shop.client.store.redis.pttl(keys.lease(handle.id))
            shop.gate.set()
            await handle.result(within=seconds(10))

    assert lasts > hours(1) / timedelta(milliseconds=1)


class Deaf(Store):
    """A store whose first put-back gets no answer."""

    is_deaf = True

    async def commit(self, ended: Sequence[Ended]) -> dict[str, str]:
        """Commit, and hear nothing of it once."""
        if self.is_deaf and any(isinstance(each, PutBack) for each in ended):
            self.is_deaf = False
            raise Unanswered("cut")
        return await super().commit(ended)


async def test_a_refusal_that_was_heard_counts_though_another_answer_was_lost(
    client: Client, codec: Codec
) -> None:
    store, heard = Deaf(client.store.redis, client.store.clock), list[Over]()
    async with alive(store, "w1"):
        for text in "ab":
            await client.enqueue(write, text)
        over, later = (await claim(store)).runs
        await store.commit([completed(over)])  # somebody else did that
        committer = Committer(
            store, codec, clock=store.clock, worker="w1", keep_result=HOUR, heard=[heard.append]
        )

        for run, outcome in ((over, Succeeded(None)), (later, Snoozed(HOUR, ""))):
            committer.add(
                Over(run=run, payload=None, job=None, outcome=outcome, started_ms=1, ended_ms=2)
            )
        await committer.flush()

    assert committer.lost == 1
    assert [each.run.id for each in heard] == [later.id]
    await client.run(later.id).cancel()
