"""Cancelling, whatever became of the run: there is an answer, and nothing else is left."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import anyio
import msgspec
import pytest
from arq.connections import RedisSettings
from arq.jobs import Job as PlainRun

from app.engine import Client, Codec, Handle, Job, RunStatus, hours, seconds
from app.engine.doors.events import Event
from app.engine.redis import keys
from tests.engine.conftest import Open, Workshop
from tests.engine.jobs import die, pass_gate, write
from tests.engine.steps import keys_of
from tests.engine.stock import QUEUE, plain_client
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

MANY = 1_000
OVER = {RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.DEAD}


@pytest.mark.case(42)
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


@pytest.mark.case(42)
@pytest.mark.timeout(200)
async def test_cancelling_unknown_ids_leaves_nothing(
    client: Client, tier: Tier, case: Case
) -> None:
    before, many = await keys_of(client), tier.of(MANY, 10_000)

    answers = [await client.run(f"unknown-{n}").cancel() for n in range(many)]

    assert not any(answers)
    assert await keys_of(client) == before
    case.says(
        f"{many} unknown runs cancelled",
        arq="1,000 of 1,000 leave an entry for good",
        steward="0 keys left",
    )


@pytest.mark.case(42)
async def test_each_cancelled_run_ends_once_however_it_stood(
    workshop: Open, tier: Tier, seed: int, case: Case
) -> None:
    dice, many = random.Random(seed), tier.of(60, 600)
    async with workshop(pass_gate, write, die) as shop:
        kinds: list[Job[Any, [str], Any]] = [pass_gate, write, die]
        async with shop.working(concurrency=many):
            jobs = [dice.choice(kinds) for _ in range(many)]
            delays = [dice.choice([None, seconds(0.2), hours(1)]) for _ in jobs]
            handles = [
                await shop.client.enqueue(job.with_options(delay=delay), "x")
                for job, delay in zip(jobs, delays, strict=True)
            ]
            async with anyio.create_task_group() as group:
                for handle in dice.sample(handles * 2, 2 * many):
                    group.start_soon(handle.cancel)
                shop.gate.set()
            await eventually(lambda: _are_over(handles))

        await eventually(lambda: _nothing_is_asked(shop))
        ends = await terminal_events(shop.client)
        assert ends == {handle.id: 1 for handle in handles}
    statuses = Counter([str(await handle.status()) for handle in handles])
    case.says(
        f"{many} runs cancelled twice while they wait, run and end, seed {seed}",
        arq="an abort of what is over stays for good",
        steward=f"each ended once: {', '.join(f'{n} {each}' for each, n in statuses.items())}",
    )


@pytest.mark.case(42)
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


async def _are_over(handles: Sequence[Handle[Any]]) -> bool:
    return {await handle.status() for handle in handles} <= OVER


async def terminal_events(client: Client) -> Counter[str]:
    """How often each run ended, by what its events say."""
    redis: Any = client.store.redis
    events = msgspec.msgpack.Decoder(list[Event])
    entries = await redis.xrange(keys.EVENTS)
    found = (event for _, entry in entries for event in events.decode(entry[b"events"]))
    return Counter(event.run_id for event in found if event.ending in OVER)


async def _nothing_is_asked(shop: Workshop) -> bool:
    return not await shop.client.store.redis.exists(keys.ABORT)
