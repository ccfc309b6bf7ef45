"""The rounds of the keeper."""

import anyio
import pytest

from app.engine import Client, RunCancelled, RunStatus, Unavailable, job, seconds
from app.engine.outcome import Outcome
from app.engine.redis.store import Store
from app.engine.roles.keeper import Keeper
from app.engine.roles.lease import Lease
from app.engine.roles.running import Running, Stopped
from app.engine.roles.slots import Slots
from app.engine.roles.watcher import Watcher
from app.engine.run import Claimed
from tests.engine.conftest import Bench, Open
from tests.engine.jobs import pass_gate, wait, write
from tests.engine.steps import running
from tests.eventually import eventually


@job(name="test.tomorrow", queue="default", version=2)
async def tomorrow(ctx: Bench) -> str:
    """Be known only to workers of tomorrow."""
    ctx.page.append("ran")
    return "tomorrow"


@job(name="test.tomorrow", queue="default", version=1)
async def yesterday(ctx: Bench) -> str:
    """Be what it was before."""
    ctx.page.append("ran too early")
    return "yesterday"


@pytest.mark.parametrize("known", [[write], [yesterday]])
async def test_a_run_nobody_knows_waits_for_a_worker_that_does(
    workshop: Open, known: list[object]
) -> None:
    async with workshop(tomorrow, write) as shop:
        handle = await shop.client.enqueue(tomorrow)
        async with shop.working(jobs=known):
            await eventually(lambda: is_parked(shop.client, handle.id))
            assert (await shop.client.queues())[1].parked == 1

            async with shop.working(jobs=[tomorrow]):
                assert await handle.result(within=seconds(10)) == "tomorrow"

        assert shop.page == ["ran"]


async def is_parked(client: Client, run_id: str) -> bool:
    return await client.run(run_id).status() == RunStatus.PARKED


async def test_a_running_run_hears_that_it_was_cancelled(workshop: Open) -> None:
    async with workshop(wait) as shop, shop.working():
        handle = await shop.client.enqueue(wait)
        await eventually(lambda: shop.page)

        await handle.cancel()

        with pytest.raises(RunCancelled):
            await handle.result(within=seconds(5))


async def test_a_cancellation_reaches_the_worker_that_has_the_run(workshop: Open) -> None:
    async with workshop(wait, pass_gate) as shop, shop.working(), shop.working():
        mine = await shop.client.enqueue(wait)
        await eventually(lambda: shop.page)

        await mine.cancel()

        with pytest.raises(RunCancelled):
            await mine.result(within=seconds(5))
        assert not await shop.client.store.cancelled()


class Away(Store):
    """A store that answers no question of the keeper's."""

    asked = 0

    async def cancelled(self) -> list[str]:
        """Say that nobody answers."""
        self.asked += 1
        raise Unavailable("away")


async def test_the_keeper_shows_that_the_loop_turns_though_redis_is_away(client: Client) -> None:
    turned = list[int]()
    store = Away(client.store.redis, client.store.clock)
    slots = Slots(1, grace=seconds(1), ended=lambda _running, _outcome: None)

    class Turned(Lease):
        def turn(self) -> None:
            turned.append(1)

    lease = Turned(
        lambda _answer: pytest.fail("no thread"),
        worker="w1",
        length=seconds(1),
        watcher=Watcher(slots, max_block=seconds(1)),
        describe=bytes,
    )
    keeper = Keeper(
        store, slots, lease, {}, worker="w1", queues=(), describe=bytes, restored=lambda: None
    )
    slots.start(
        running(Claimed(id="r", queue="q", worker="w1", payload=b""), write),
        _forever,
    )

    async with anyio.create_task_group() as group:
        group.start_soon(keeper.run)
        await eventually(lambda: store.asked > 1 and len(turned) > 2)
        group.cancel_scope.cancel()
    slots.cancel("r", Stopped.STOPPING)
    await slots.idle()


async def _forever(_: Running) -> Outcome:
    await anyio.sleep_forever()
    raise AssertionError
