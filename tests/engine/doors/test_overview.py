"""The whole picture."""

import os

import pytest

from app.engine import Client, ManualClock, RunStatus, UnknownRun, hours, minutes, seconds
from app.engine.doors.overview import WorkerSeen
from app.engine.redis import keys
from tests.engine.conftest import QUEUES, Open
from tests.engine.jobs import hurry, pass_gate, write
from tests.eventually import eventually


async def test_queues_say_what_waits_and_runs(workshop: Open, clock: ManualClock) -> None:
    async with workshop(write, hurry) as shop:
        await shop.client.enqueue(write, "x")
        await shop.client.enqueue(write.with_options(delay=hours(1)), "x")
        clock.advance(minutes(5))

        found = await shop.client.queues()

        assert [each.name for each in found] == list(QUEUES)
        default = found[1]
        assert (default.ready, default.running, default.deferred, default.parked) == (1, 0, 1, 0)
        assert minutes(5) <= default.oldest_wait < minutes(5) + seconds(5)
        assert found[0].oldest_wait == seconds(0)


async def test_a_queues_depth_is_the_size_of_its_set(workshop: Open) -> None:
    async with workshop(pass_gate, write) as shop, shop.working(concurrency=3):
        for n in range(5):
            await shop.client.enqueue(pass_gate, f"{n}")
            await shop.client.enqueue(write.with_options(delay=hours(n + 1)), "later")
        await eventually(lambda: len(shop.page) == 3)

        depth = (await shop.client.queues())[1]
        size = await shop.client.store.redis.zcard(keys.queue("default"))
        shop.gate.set()

    assert (depth.ready, depth.running, depth.deferred) == (2, 3, 5)
    assert depth.ready + depth.running + depth.deferred + depth.parked == size


async def test_a_worker_is_seen_while_it_works(workshop: Open) -> None:
    async with workshop(pass_gate) as shop:
        async with shop.working(concurrency=7) as worker:
            await shop.client.enqueue(pass_gate, "I")
            await eventually(lambda: shop.page)

            seen = (await shop.client.workers())[0]

            assert (seen.id, seen.pid, seen.slots) == (worker.id, os.getpid(), 7)
            assert seen.queues == QUEUES
            assert abs(seen.started_at - shop.client.store.clock.now()) < minutes(1)
            await eventually(lambda: _busy(shop.client))
            shop.gate.set()

        assert await shop.client.workers() == []


async def _busy(client: Client) -> bool:
    return (await client.workers())[0].running == 1


async def test_what_no_worker_wrote_is_no_worker(workshop: Open) -> None:
    async with workshop(write) as shop:
        await shop.client.store.redis.set("steward:worker:odd", b"\xff not json", px=50)

        assert await shop.client.workers() == []
        await eventually(lambda: _is_gone(shop.client))
    assert WorkerSeen.unpack(b"{}") is None


async def _is_gone(client: Client) -> bool:
    return not await client.store.redis.exists("steward:worker:odd")


async def test_find_lists_what_waits_and_runs_due_first(workshop: Open, clock: ManualClock) -> None:
    async with workshop(write, hurry) as shop:
        later = await shop.client.enqueue(write.with_options(delay=hours(2)), "x")
        soon = await shop.client.enqueue(hurry.with_options(delay=hours(1)), "x")
        now = await shop.client.enqueue(write, "x")

        everything = await shop.client.find()
        deferred = await shop.client.find(status=RunStatus.DEFERRED)
        urgent = await shop.client.find(queue="urgent")
        first = await shop.client.find(limit=1)

        assert [each.id for each in everything] == [now.id, soon.id, later.id]
        assert [each.id for each in deferred] == [soon.id, later.id]
        assert [each.id for each in urgent] == [soon.id]
        assert [each.id for each in first] == [now.id]
        assert await shop.client.find(queue="nowhere") == []
        found = everything[1]
        assert (found.job, found.queue, found.attempt) == ("test.hurry", "urgent", 0)
        assert abs(found.due_at - clock.now() - hours(1)) < minutes(1)


async def test_a_run_without_a_readable_payload_is_listed_as_such(workshop: Open) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write, "x")
        await shop.client.store.redis.set(f"arq:job:{handle.id}", b"altered")

        found = await shop.client.find()

        assert [(each.id, each.job, each.enqueued_at) for each in found] == [(handle.id, "?", None)]


async def test_one_run_can_be_asked_for(workshop: Open) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write, "x")

        found = await shop.client.overview.run(handle.id)

        assert (found.id, found.status, found.queue) == (handle.id, RunStatus.QUEUED, "default")
        with pytest.raises(UnknownRun):
            await shop.client.overview.run("unknown")
