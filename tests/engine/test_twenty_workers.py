"""Twenty idle workers on connections of their own: a run starts once, as soon as with one."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from time import monotonic
from typing import Any

import anyio
from arq.connections import RedisSettings

from app.engine import Client, Codec, job, seconds
from app.engine.redis.store import Store
from app.engine.run import Claim
from tests.engine.conftest import Bench, Workshop, workshop_at
from tests.eventually import eventually

WORKERS, RUNS = 20, 50
RARELY = seconds(30)
ROOM = 0.005  # s: what the machine does beside may take so long
started = defaultdict[str, list[float]](list)


class CountingStore(Store):
    """Counts what was asked of it."""

    claims = 0

    async def claim(self, *args: Any, **options: Any) -> Claim:
        """Count it, and ask."""
        self.claims += 1
        return await super().claim(*args, **options)


@job(name="test.stamp", queue="default")
async def stamp(ctx: Bench) -> None:
    """Say when it began."""
    started[ctx.attempt.run_id].append(monotonic())


async def test_twenty_idle_workers_start_a_run_once_and_as_soon_as_one_does(
    clean_redis: RedisSettings, codec: Codec
) -> None:
    started.clear()
    async with Client.open(clean_redis, codec, jobs={stamp.name: stamp}) as client:
        async with working(clean_redis, codec, 1):
            alone = [await waited(client) for _ in range(RUNS)]
        async with working(clean_redis, codec, WORKERS) as stores:
            before = sum(each.claims for each in stores)
            among = [await waited(client) for _ in range(RUNS)]
            claims = sum(each.claims for each in stores) - before

    print(
        f"{RUNS} runs one by one: started after {median(alone) * 1000:.2f} ms with one worker,"
        f" after {median(among) * 1000:.2f} ms with {WORKERS} (medians); {claims} claims,"
        f" {claims / RUNS - 1:.1f} of them in vain for each run"
    )
    assert {len(times) for times in started.values()} == {1}
    assert len(started) == 2 * RUNS
    assert claims < RUNS * WORKERS
    assert median(among) <= 1.5 * median(alone) + ROOM


@asynccontextmanager
async def working(
    redis: RedisSettings, codec: Codec, count: int
) -> AsyncGenerator[list[CountingStore]]:
    """So many workers, idle and told of changes."""
    async with AsyncExitStack() as stack:
        shops = [
            await stack.enter_async_context(workshop_at(redis, codec, stamp)) for _ in range(count)
        ]
        stores = [counting(shop) for shop in shops]
        for shop in shops:
            await stack.enter_async_context(shop.working(poll=RARELY))
        await eventually(lambda: all(each.claims for each in stores))
        await anyio.wait_all_tasks_blocked()
        yield stores


def counting(shop: Workshop) -> CountingStore:
    """Have its client ask a store that counts."""
    known = shop.client.store
    store = CountingStore(known.redis, known.clock)
    shop.client = Client(store, shop.client.codec, jobs=shop.jobs)
    return store


async def waited(client: Client) -> float:
    """From the call of enqueue to the job's first line, in seconds."""
    before = monotonic()
    handle = await client.enqueue(stamp)
    await eventually(lambda: handle.id in started)
    await anyio.wait_all_tasks_blocked()
    return started[handle.id][0] - before
