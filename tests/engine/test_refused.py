"""A Redis that answers, and refuses: callers hear of it in time, workers wait until it is over."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import anyio
import pytest
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as Silent

from app.engine import Client, Codec, QueueFull, Unavailable, seconds
from tests import servers
from tests.engine.conftest import workshop_at
from tests.engine.jobs import pass_gate, write
from tests.eventually import eventually
from tests.rights import are_limited, asked
from tests.servers import PROGRAMS, Server

SOON = seconds(15)
PASSWORD = "rotated"
_LOADING_DELAY = "key-load-delay"
Refusing = Callable[[Server], Any]


@pytest.fixture(params=PROGRAMS)
async def server(request: pytest.FixtureRequest) -> AsyncGenerator[Server]:
    path = servers.program(request.param)
    with servers.folder() as place:
        async with servers.running(path, place, enable_debug_command="yes") as running:
            yield running


@asynccontextmanager
async def demoted(server: Server) -> AsyncGenerator[str]:
    """It is somebody's replica."""
    await asked(server.nearby, "REPLICAOF", "127.0.0.1", 1)
    yield "READONLY"
    await asked(server.nearby, "REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def unable_to_save(server: Server) -> AsyncGenerator[str]:
    """Its disk is full, or the like."""
    (server.socket.parent / "dump.rdb").mkdir()
    await asked(server.nearby, "CONFIG", "SET", "save", "3600 1")
    await asked(server.nearby, "BGSAVE")
    await eventually(lambda: _says(server, "rdb_last_bgsave_status", "err"))
    yield "MISCONF"
    await asked(server.nearby, "CONFIG", "SET", "save", "")


@asynccontextmanager
async def with_another_password(server: Server) -> AsyncGenerator[str]:
    """Nobody told us."""
    await asked(server.nearby, "CONFIG", "SET", "requirepass", PASSWORD)
    known = server.nearby if are_limited() else replace(server.nearby, password=PASSWORD)
    for kind in ("normal", "pubsub"):  # who hears of runs is of the second
        await asked(known, "CLIENT", "KILL", "TYPE", kind)
    yield "(?i)authenticat"  # by RESP2 Redis says "unauthenticated multibulk length"
    await asked(known, "CONFIG", "SET", "requirepass", "")


@asynccontextmanager
async def loading(server: Server) -> AsyncGenerator[str]:
    """It reads its data back, which takes a while: it looks up from it after each key."""
    fill = "for n = 1, 3000 do redis.call('SET', 'arq:result:' .. n, string.rep('x', 1024)) end"
    await asked(server.nearby, "EVAL", fill, 0)
    await asked(server.nearby, "CONFIG", "SET", "rdbcompression", "no")
    await asked(server.nearby, "CONFIG", "SET", "loading-process-events-interval-bytes", 1024)
    await asked(server.nearby, "CONFIG", "SET", _LOADING_DELAY, 5_000)  # 5 ms a key
    async with anyio.create_task_group() as group:
        group.start_soon(asked, server.nearby, "DEBUG", "RELOAD")
        await eventually(lambda: _says(server, "loading", 1))
        yield "LOADING"
        await asked(server.nearby, "CONFIG", "SET", _LOADING_DELAY, 0)


@asynccontextmanager
async def masterless(server: Server) -> AsyncGenerator[str]:
    """It is a replica that lost its master, and would rather say nothing than what is old."""
    await asked(server.nearby, "CONFIG", "SET", "replica-serve-stale-data", "no")
    await asked(server.nearby, "REPLICAOF", "127.0.0.1", 1)
    yield "MASTERDOWN"
    await asked(server.nearby, "REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def busy(server: Server) -> AsyncGenerator[str]:
    """Somebody's script goes on and on."""
    await asked(server.nearby, "CONFIG", "SET", "lua-time-limit", 10)  # ms
    async with anyio.create_task_group() as group:
        group.start_soon(_run_endless_script, server)
        await eventually(lambda: _is_busy(server))
        yield "BUSY"
        await asked(server.nearby, "SCRIPT", "KILL")


async def _run_endless_script(server: Server) -> None:
    with suppress(ResponseError, Silent):
        await asked(server.nearby, "EVAL", "while true do end", 0)


async def _is_busy(server: Server) -> bool:
    try:
        await asked(server.nearby, "PING")
    except ResponseError as error:
        return str(error).startswith("BUSY")
    return False


async def _says(server: Server, fact: str, expected: object) -> bool:
    said: dict[str, object] = await asked(server.nearby, "INFO", "persistence")
    return said[fact] == expected


@pytest.mark.case(22)
@pytest.mark.parametrize(
    "refusing",
    [
        *(demoted, masterless, unable_to_save, busy, loading, with_another_password),
    ],
)
async def test_a_refusal_is_an_error_in_time_and_the_worker_waits_for_its_end(
    server: Server, codec: Codec, refusing: Refusing, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        workshop_at(server.settings, codec, write, pass_gate) as shop,
        Client.open(server.settings, codec) as stranger,
        shop.working(poll=seconds(0.2), lease=seconds(4)),
    ):
        hasty = Client(shop.client.store, codec, patience=seconds(0.2))
        held = await stranger.enqueue(pass_gate, "it")
        await eventually(lambda: shop.page)

        async with refusing(server) as why:
            with pytest.raises((Unavailable, QueueFull), match=why):
                await hasty.enqueue(write, "refused")
            shop.gate.set()
            await eventually(lambda: "outcomes wait for Redis" in caplog.text)

        assert await held.result(within=SOON) == "it, attempt 1"
        await (await stranger.enqueue(write, "after")).result(within=SOON)

    assert shop.page == ["it waits", "it passes", "after"]
