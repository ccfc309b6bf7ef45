"""A worker, from the outside: what it is given, runs."""

from datetime import timedelta

import anyio
import pytest

from app.engine import (
    NEVER,
    Fixed,
    RunCancelled,
    RunFailed,
    RunStatus,
    job,
    seconds,
)
from app.engine.dead_letters import DeadLetters
from tests.engine.conftest import Bench, Open


@job(name="test.write", queue="default")
async def write(ctx: Bench, text: str) -> int:
    """Write on the page."""
    ctx.page.append(text)
    return len(text)


@job(name="test.fail", queue="default", retry=Fixed(timedelta(0), attempts=3))
async def fail(ctx: Bench) -> None:
    """Fail, always."""
    ctx.page.append(f"try {ctx.attempt.number}")
    raise RuntimeError("it never works")


@job(name="test.wait", queue="default", timeout=seconds(30), retry=NEVER)
async def wait(ctx: Bench) -> None:
    """Wait for ever."""
    ctx.page.append("waiting")
    await anyio.sleep_forever()


async def test_a_run_is_executed_and_its_result_read(workshop: Open) -> None:
    async with workshop(write) as shop, shop.working():
        handle = await shop.client.enqueue(write, "hello")

        assert await handle.result(within=seconds(5)) == 5
        assert await handle.status() == RunStatus.SUCCEEDED
        assert shop.page == ["hello"]


async def test_a_failing_run_is_tried_as_often_as_its_policy_says(workshop: Open) -> None:
    async with workshop(fail) as shop:
        handle = await shop.client.enqueue(fail)

        await shop.drain()

        letter = await DeadLetters(shop.client).get(handle.id)
        assert shop.page == ["try 1", "try 2", "try 3"]
        assert [each.number for each in letter.attempts] == [1, 2, 3]
        assert letter.last.message == "it never works"
        assert "RuntimeError: it never works" in letter.last.traceback
        with pytest.raises(RunFailed, match="it never works"):
            await handle.result(within=seconds(1))


async def test_a_running_run_can_be_cancelled(workshop: Open) -> None:
    async with workshop(wait) as shop, shop.working():
        handle = await shop.client.enqueue(wait)
        with anyio.fail_after(5):
            while not shop.page:
                await anyio.sleep(0.01)

        assert await handle.cancel()

        with pytest.raises(RunCancelled):
            await handle.result(within=seconds(5))
