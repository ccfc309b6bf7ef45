"""A worker that ends because it has done its part."""

import logging

import anyio
import pytest

from app.engine import RunStatus, WorkerOptions, seconds
from app.engine.roles.recycler import Recycler, resident_mib
from tests.engine.conftest import Open
from tests.engine.jobs import pass_gate, write
from tests.eventually import eventually

LONG = 20  # s


async def test_a_worker_is_spent_after_so_many_runs_and_leaves_the_rest_to_others(
    workshop: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with workshop(write) as shop:
        await shop.client.enqueue_many(write.call(f"{number}") for number in range(50))
        worker = shop.worker(max_runs=4, concurrency=2)

        with anyio.fail_after(LONG):
            await worker.run()
        done = len(shop.page)
        await shop.drain()

    assert worker.is_spent
    assert 4 <= done < 20  # what it had claimed when it was spent is done, too
    assert sorted(map(int, shop.page)) == [*range(50)]
    assert "this worker stops, for a fresh one to go on: it has done 4 runs" in caplog.text


async def test_what_a_spent_worker_has_not_finished_in_its_grace_is_given_back_uncharged(
    workshop: Open,
) -> None:
    async with workshop(write, pass_gate) as shop:
        handle = await shop.client.enqueue(pass_gate, "it")
        worker = shop.worker(max_runs=1, grace=seconds(0))
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            await eventually(lambda: shop.page == ["it waits"])
            await shop.client.enqueue(write, "last")

        assert worker.is_spent
        assert await handle.status() == RunStatus.QUEUED
        shop.gate.set()
        await shop.drain()
        assert await handle.result() == "it, attempt 1"


async def test_a_worker_that_holds_too_much_memory_is_spent_after_its_next_run(
    workshop: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with workshop(write) as shop:
        worker = shop.worker(max_memory=1)
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            await eventually(shop.client.workers)
            assert not worker.is_spent
            await shop.client.enqueue(write, "last")
            with anyio.fail_after(LONG):
                await eventually(lambda: worker.is_spent)

    assert "MiB of memory, more than 1" in caplog.text


async def test_a_worker_without_limits_counts_nothing() -> None:
    recycler = Recycler(WorkerOptions(), stop=lambda: pytest.fail("stopped"))

    assert recycler.counting(print) is print
    with anyio.fail_after(LONG):
        await recycler.run()


def test_memory_is_measured_in_mib() -> None:
    before = resident_mib()
    ballast = bytearray(b"x") * (64 * 2**20)
    after = resident_mib()

    assert 50 < after - before < 80
    assert len(ballast) == 64 * 2**20
