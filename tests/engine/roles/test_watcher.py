"""A loop that does not turn, and who is in its way."""

import re
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import Client, WorkerSeen, job, seconds
from app.engine.redis import keys
from app.engine.redis.connection import make_blocking_redis
from tests.engine.conftest import Bench, Open
from tests.eventually import eventually
from tests.ways import at, url_of

SAID = "the event loop does not turn"
LONG = seconds(20)


@job(name="test.block", queue="default")
async def block(ctx: Bench, secret: str) -> None:
    """Block the loop."""
    ctx.page.append(secret)
    time.sleep(1.5)  # noqa: ASYNC251  # what a job must not do, and some do


@job(name="test.compute", queue="default")
async def compute(ctx: Bench) -> None:
    """Never let go of the interpreter, for a second and a half at least."""
    count, took = 1_000_000, 0.0
    while took < 1.5:
        count, began = 2 * count, time.monotonic()
        ctx.page.append(f"{sum(range(count))}")
        took = time.monotonic() - began


@job(name="test.look", queue="default", timeout=LONG)
async def look(ctx: Bench, redis: str) -> None:
    """Block the loop until the worker tells that it is blocked, and write down for how long."""
    connection = make_blocking_redis(at(redis))
    blocked, give_up_at = seconds(0), time.monotonic() + 10
    while not blocked and time.monotonic() < give_up_at:
        blocked = told_by(ctx.attempt.worker, connection)
        time.sleep(0.02)  # noqa: ASYNC251
    connection.close()
    ctx.page.append(f"{blocked.total_seconds()}")


def told_by(worker: str, connection: Any) -> timedelta:
    """How long this worker says that it is blocked."""
    seen = WorkerSeen.unpack(connection.get(keys.worker(worker)))
    return seen.blocked if seen else seconds(0)


async def test_a_job_that_blocks_is_named_once_with_its_stack_and_no_argument(
    workshop: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async with workshop(block) as shop, shop.working():
        handle = await shop.client.enqueue(block, "the secret")
        await eventually(lambda: "turns again" in caplog.text, within=LONG)
        await eventually(lambda: shop.heard)

    (said,) = (each for each in caplog.messages if SAID in each)
    assert f"test.block (run {handle.id}) blocked it, at {__file__}" in said
    assert re.search(r"test_watcher.py:\d+ in block < ", said)
    assert took(caplog) >= 0.8
    assert "the secret" not in caplog.text


async def test_what_does_not_let_go_of_the_interpreter_is_named_when_it_does(
    workshop: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async with workshop(compute) as shop, shop.working(lease=seconds(60)):
        handle = await shop.client.enqueue(compute)
        await eventually(lambda: "turns again" in caplog.text, within=LONG)
        await eventually(lambda: shop.heard)

    assert f"test.compute (run {handle.id}) blocked it" in caplog.text


async def test_a_blocked_worker_tells_it_to_those_who_look(
    workshop: Open, clean_redis: RedisSettings
) -> None:
    async with workshop(look) as shop, shop.working(lease=seconds(30)):
        await shop.client.enqueue(look, url_of(clean_redis))
        await eventually(lambda: shop.heard, within=LONG)

    assert 0.8 <= float(shop.page[0]) < 7.5  # at once, and not with the next renewal


def took(caplog: pytest.LogCaptureFixture) -> float:
    """How long the loop was blocked, as the log has it."""
    found = re.search(r"turns again: .* for ([\d.]+) s", caplog.text)
    assert found
    return float(found[1])


BLOCKED = """
    import anyio, sys, time
    from datetime import timedelta
    from functools import partial
    from app.engine.redis.connection import make_blocking_redis
    from app.engine.roles.lease import Lease
    from app.engine.roles.slots import Slots
    from app.engine.roles.watcher import Watcher
    from tests.ways import at

    async def main():
        settings = at(sys.argv[1])
        slots = Slots(1, grace=timedelta(seconds=1), ended=print)
        lease = Lease(partial(make_blocking_redis, settings), worker="blocked",
                      length=timedelta(seconds=0.4), describe=lambda: b"{}",
                      watcher=Watcher(slots, max_block=timedelta(seconds=0.5)))
        lease.start()
        for _ in range(10):
            lease.turn()
            time.sleep(0.1)
        print("turning was fine", flush=True)
        time.sleep(20)

    anyio.run(main)
"""


async def test_a_loop_that_turns_no_more_ends_the_process(
    client: Client, clean_redis: RedisSettings
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(BLOCKED), url_of(clean_redis)]

    with anyio.fail_after(20):
        ended = await anyio.run_process(command, check=False, stderr=subprocess.PIPE)

    assert (ended.returncode, ended.stdout) == (70, b"turning was fine\n")
    assert b"blocked this worker" in ended.stderr

    async def lapsed() -> bool:
        return not await client.store.redis.exists("steward:worker:blocked")

    await eventually(lapsed)
