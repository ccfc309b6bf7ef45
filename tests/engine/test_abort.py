"""Cancelling, whatever became of the run: there is an answer, and nothing else is left."""

from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings
from arq.jobs import Job as PlainRun

from app.engine import Client, Codec, Job, RunStatus, seconds
from app.engine.redis import keys
from tests.engine.conftest import Open, Workshop
from tests.engine.jobs import die, pass_gate, write
from tests.engine.steps import keys_of
from tests.engine.stock import QUEUE, plain_client
from tests.eventually import eventually

MANY = 1_000


@pytest.mark.parametrize("job", [write, die])
async def test_cancelling_a_run_that_is_over_leaves_nothing(
    workshop: Open, job: Job[Any, [str], Any]
) -> None:
    async with workshop(job) as shop:
        handle = await shop.client.enqueue(job, "x")
        await shop.drain()
        before, status = await keys_of(shop.client), await handle.status()

        assert not await handle.cancel()

        assert await keys_of(shop.client) == before
        assert await handle.status() == status


async def test_cancelling_unknown_ids_leaves_nothing(client: Client) -> None:
    before = await keys_of(client)

    answers = [await client.run(f"unknown-{n}").cancel() for n in range(MANY)]

    assert not any(answers)
    assert await keys_of(client) == before


async def test_runs_cancelled_while_they_end_leave_nothing(workshop: Open) -> None:
    async with workshop(pass_gate) as shop, shop.working():
        handles = [await shop.client.enqueue(pass_gate, f"{n}") for n in range(50)]
        await eventually(lambda: len(shop.page) == len(handles))

        async with anyio.create_task_group() as group:
            for handle in handles:
                group.start_soon(handle.cancel)
            shop.gate.set()

        await eventually(lambda: len(shop.heard) == len(handles))
        statuses = {await handle.status() for handle in handles}
        assert statuses <= {RunStatus.SUCCEEDED, RunStatus.CANCELLED}
        await eventually(lambda: _nothing_is_asked(shop))


async def test_aborts_of_unknown_ids_are_forgotten_by_a_worker_that_runs_nothing(
    workshop: Open, clean_redis: RedisSettings, codec: Codec
) -> None:
    async with workshop(write) as shop, plain_client(clean_redis, codec) as plain:
        for n in range(MANY):
            assert not await PlainRun(f"unknown-{n}", plain, _queue_name=QUEUE).abort(timeout=5)
        assert await shop.client.store.redis.zcard(keys.ABORT) == MANY

        async with shop.working():
            await eventually(lambda: _nothing_is_asked(shop), within=seconds(3))


async def _nothing_is_asked(shop: Workshop) -> bool:
    return not await shop.client.store.redis.exists(keys.ABORT)
