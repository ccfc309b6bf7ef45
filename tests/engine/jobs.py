"""Jobs for the tests of the engine."""

from datetime import timedelta

import anyio

from app.engine import NEVER, Fixed, job, seconds
from tests.engine.conftest import Bench

AT_ONCE = timedelta(0)


@job(name="test.write", queue="default")
async def write(ctx: Bench, text: str) -> int:
    """Write on the page."""
    ctx.page.append(text)
    return len(text)


@job(name="test.hurry", queue="urgent")
async def hurry(ctx: Bench, text: str) -> None:
    """Write on the page, before others do."""
    ctx.page.append(text)


@job(name="test.fail", queue="default", retry=Fixed(AT_ONCE, attempts=3))
async def fail(ctx: Bench) -> None:
    """Fail, always."""
    ctx.page.append(f"try {ctx.attempt.number}")
    raise RuntimeError("it never works")


@job(name="test.die", queue="default", retry=NEVER)
async def die(ctx: Bench, text: str) -> None:
    """Fail, once and for all."""
    ctx.page.append(text)
    raise RuntimeError(text)


@job(name="test.wait", queue="default", timeout=seconds(30), retry=NEVER)
async def wait(ctx: Bench) -> None:
    """Wait for ever."""
    ctx.page.append("waiting")
    await anyio.sleep_forever()


@job(name="test.pass_gate", queue="default", retry=Fixed(AT_ONCE, attempts=3))
async def pass_gate(ctx: Bench, text: str) -> str:
    """Write, wait until the gate is open, write again."""
    ctx.page.append(f"{text} waits")
    await ctx.gate.wait()
    ctx.page.append(f"{text} passes")
    return f"{text}, attempt {ctx.attempt.number}"
