"""A run of the clock while workers come and go: no try is lost, and its result is kept."""

from datetime import UTC, datetime, timedelta
from functools import partial

from app.engine import NEVER, ManualClock, RunStatus, job, schedule, seconds
from app.engine.redis import keys
from tests.engine.conftest import Bench, Open, Workshop
from tests.eventually import eventually

RESTARTS = 6


@job(name="test.nightly", queue="default", retry=NEVER)
async def nightly(ctx: Bench) -> str:
    """Wait until the gate is open, and may be tried once."""
    ctx.page.append(ctx.attempt.run_id)
    await ctx.gate.wait()
    return f"attempt {ctx.attempt.number} of {ctx.attempt.attempts}"


async def test_restarts_cost_a_tick_none_of_its_tries(workshop: Open, clock: ManualClock) -> None:
    timetable = [schedule("0 * * * *", nightly.call())]
    async with workshop(nightly) as shop:
        _go_to_the_hour(clock)
        for begun in range(1, RESTARTS + 1):
            async with shop.working(timetable=timetable, grace=timedelta(0)):
                await eventually(partial(_has_begun, shop, begun))
        shop.gate.set()
        async with shop.working(timetable=timetable):
            await eventually(partial(_has_begun, shop, RESTARTS + 1))
            run = shop.client.run(shop.page[0])
            result = await run.result(within=seconds(10))

    assert set(shop.page) == {run.id}
    assert result == "attempt 1 of 1"


def _has_begun(shop: Workshop, times: int) -> bool:
    return len(shop.page) == times


async def test_the_result_of_a_tick_is_kept_for_an_hour_like_any_other(
    workshop: Open, clock: ManualClock
) -> None:
    async with workshop(nightly) as shop:
        shop.gate.set()
        _go_to_the_hour(clock)
        async with shop.working(timetable=[schedule("0 * * * *", nightly.call())]):
            await eventually(lambda: shop.heard)
            tick = shop.client.run(shop.page[0])

            lasts = await shop.client.store.redis.ttl(keys.result(tick.id))

        assert await tick.status() is RunStatus.SUCCEEDED
        assert await tick.result() == "attempt 1 of 1"
        assert 3_500 < lasts <= 3_600


def _go_to_the_hour(clock: ManualClock) -> None:
    """Be a second before the next tick."""
    now = clock.now().astimezone(UTC)
    hour = datetime(now.year, now.month, now.day, now.hour, tzinfo=UTC)
    clock.advance(hour + timedelta(hours=1) - now - seconds(1))
