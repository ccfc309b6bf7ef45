"""What shows a worker alive while nothing can run in its process, and when it doesn't."""

import json
import logging
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from signal import SIGCONT, SIGKILL, SIGSTOP
from time import monotonic

import anyio
import psutil
import pytest
from arq.connections import RedisSettings

from app.engine import Client, seconds
from app.engine.roles.guard import Guard
from tests.eventually import eventually
from tests.ways import url_of

KEY = "steward:worker:held"
LENGTH = 2.0
LONG = seconds(30)

WORKER = """
    import anyio, ctypes, sys, time
    from datetime import timedelta
    from functools import partial
    from app.engine.redis.connection import make_blocking_redis
    from app.engine.roles.guard import Guard
    from app.engine.roles.lease import Lease
    from app.engine.roles.slots import Slots
    from app.engine.roles.watcher import Watcher
    from tests.ways import at

    LENGTH, MAX_BLOCK = timedelta(seconds=2), timedelta(seconds=float(sys.argv[2]))
    asleep = ctypes.PyDLL(None).sleep

    async def main():
        settings = at(sys.argv[1])
        slots = Slots(1, grace=timedelta(seconds=1), ended=print)
        lease = Lease(partial(make_blocking_redis, settings), worker="held",
                      length=LENGTH, describe=lambda: b'{"id": "held", "blocked_ms": 0}',
                      watcher=Watcher(slots, max_block=MAX_BLOCK),
                      guard=Guard(settings, worker="held", length=LENGTH, max_block=MAX_BLOCK))
        lease.start()
        print("ready", flush=True)
        while True:
            lease.turn()
            await anyio.sleep(0.05)
            if line := await anyio.to_thread.run_sync(sys.stdin.readline):
                asleep(int(line))
                print("let go", flush=True)

    anyio.run(main)
"""


@asynccontextmanager
async def held(
    redis: RedisSettings, client: Client, *, max_block: float = 60
) -> AsyncGenerator["subprocess.Popen[str]"]:
    """A process with a lease, which keeps its interpreter for as long as it is told."""
    process = started(url_of(redis), str(max_block))
    try:
        assert process.stdout
        assert await anyio.to_thread.run_sync(process.stdout.readline) == "ready\n"
        await eventually(lambda: client.store.redis.exists(KEY))
        yield process
    finally:
        process.send_signal(SIGCONT)
        process.kill()
        process.communicate()
        await client.store.redis.delete(KEY)


def started(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WORKER), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def keep(process: "subprocess.Popen[str]", for_seconds: int) -> None:
    assert process.stdin
    process.stdin.write(f"{for_seconds}\n")
    process.stdin.flush()


def beside(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


async def test_a_worker_is_shown_alive_and_blocked_while_a_call_keeps_its_interpreter(
    client: Client, clean_redis: RedisSettings
) -> None:
    async with held(clean_redis, client) as process:
        keep(process, 6)
        began = monotonic()
        blocked = list[int]()
        while monotonic() - began < 3 * LENGTH:
            said = await client.store.redis.get(KEY)
            assert said, f"gone after {monotonic() - began:.1f} s"
            blocked.append(json.loads(said)["blocked_ms"])
            await anyio.sleep(0.1)

        assert process.stdout
        assert await anyio.to_thread.run_sync(process.stdout.readline) == "let go\n"

        async def is_told_again() -> bool:
            return not json.loads(await client.store.redis.get(KEY) or b"{}").get("blocked_ms", 1)

        await eventually(is_told_again)
    assert max(blocked) > 1000 * LENGTH


async def test_one_that_somebody_has_stopped_is_not_shown_alive(
    client: Client, clean_redis: RedisSettings
) -> None:
    async with held(clean_redis, client) as process:
        stopped_at = monotonic()
        process.send_signal(SIGSTOP)
        await eventually(lambda: _is_gone(client), within=LONG)
        gone_after = monotonic() - stopped_at
        process.send_signal(SIGCONT)
        await eventually(lambda: client.store.redis.exists(KEY))
    assert gone_after <= LENGTH + 1


@pytest.mark.parametrize("is_held", [False, True])
async def test_one_that_is_killed_is_not_shown_alive_and_leaves_nobody(
    client: Client, clean_redis: RedisSettings, *, is_held: bool
) -> None:
    async with held(clean_redis, client) as process:
        (guardian,) = beside(process)
        if is_held:
            keep(process, 60)
            await eventually(lambda: _is_blocked(client), within=LONG)
        killed_at = monotonic()
        process.send_signal(SIGKILL)
        await eventually(lambda: _is_gone(client), within=LONG)
        gone_after = monotonic() - killed_at
        await eventually(lambda: not guardian.is_running())
    assert gone_after <= LENGTH + 1


async def test_one_that_is_held_for_too_long_is_ended_and_its_lease_with_it(
    client: Client, clean_redis: RedisSettings
) -> None:
    async with held(clean_redis, client, max_block=1.5) as process:
        keep(process, 60)
        code = await anyio.to_thread.run_sync(process.wait)
        await eventually(lambda: _is_gone(client))
        assert process.stderr
        said = process.stderr.read()
    assert code == -SIGKILL
    assert f"worker process {process.pid}: a call has held it for 2 s; it is ended" in said


async def test_a_guardian_that_was_killed_is_replaced_and_shows_no_address(
    client: Client, clean_redis: RedisSettings
) -> None:
    async with held(clean_redis, client) as process:
        (first,) = beside(process)
        words = " ".join(first.cmdline())
        first.kill()
        await eventually(lambda: [each.pid for each in beside(process)] not in ([], [first.pid]))
    assert "redis" not in words
    assert ".sock" not in words


def test_a_worker_that_cannot_have_one_goes_on_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    guard = Guard(
        RedisSettings(), worker="w", length=timedelta(seconds=2), max_block=timedelta(seconds=9)
    )

    guard.start()
    guard.beat()
    guard.stop()

    assert "nobody will show this worker alive" in caplog.text


async def _is_gone(client: Client) -> bool:
    return not await client.store.redis.exists(KEY)


async def _is_blocked(client: Client) -> bool:
    said = await client.store.redis.get(KEY)
    return bool(said) and json.loads(said)["blocked_ms"] > 0
