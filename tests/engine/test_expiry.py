"""Runs that are good for a time only."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.engine import (
    BadArguments,
    DeadLetters,
    Expired,
    Fixed,
    ManualClock,
    RunStatus,
    hours,
    job,
    minutes,
    seconds,
)
from tests.engine.conftest import Bench, Open
from tests.engine.jobs import write


@job(name="test.late", queue="default", retry=Fixed(hours(1), attempts=2))
async def late(ctx: Bench) -> int:
    """Fail at first, and be late the second time."""
    ctx.page.append(f"try {ctx.attempt.number}")
    if ctx.attempt.number == 1:
        raise RuntimeError("not yet")
    return ctx.attempt.number


@pytest.mark.parametrize("is_moment", [True, False])
async def test_a_run_that_has_not_begun_in_time_is_a_dead_letter(
    workshop: Open, clock: ManualClock, is_moment: bool
) -> None:
    async with workshop(write) as shop:
        expires = clock.now() + minutes(5) if is_moment else minutes(5)
        early = await shop.client.enqueue(write.with_options(expires=expires), "early")
        await shop.drain()
        handle = await shop.client.enqueue(write.with_options(expires=expires), "late")
        clock.advance(minutes(6))

        await shop.drain()

        letter = await DeadLetters(shop.client).get(handle.id)
        assert isinstance(letter.last.error, Expired)
        assert letter.payload
        assert await early.status() == RunStatus.SUCCEEDED
        assert shop.page == ["early"]


async def test_a_retried_letter_does_not_expire_again(workshop: Open, clock: ManualClock) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write.with_options(expires=minutes(5)), "late")
        clock.advance(minutes(6))
        await shop.drain()

        again = await DeadLetters(shop.client).retry(handle.id)
        await shop.drain()

        assert await again.result() == 4


async def test_what_has_begun_may_be_tried_again_later(workshop: Open, clock: ManualClock) -> None:
    async with workshop(late) as shop:
        handle = await shop.client.enqueue(late.with_options(expires=minutes(5)))
        async with shop.working():
            while not shop.page:
                await shop.client.ping()
            while await handle.status() != RunStatus.DEFERRED:
                await shop.client.ping()
            clock.advance(hours(2))

            assert await handle.result(within=seconds(10)) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"expires": timedelta(0)},
        {"expires": timedelta(seconds=-1)},
        {"expires": minutes(5), "delay": minutes(5)},
        {"expires": datetime(2030, 1, 1)},
        {"expires": datetime(2030, 1, 1, tzinfo=UTC), "at": datetime(2030, 1, 2, tzinfo=UTC)},
        {"expires": 5},
    ],
)
def test_an_expiry_that_can_not_be_meant_is_refused(options: Any) -> None:
    with pytest.raises(BadArguments):
        write.with_options(**options)
