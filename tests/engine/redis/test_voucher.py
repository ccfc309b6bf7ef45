"""Durable receipts come once runs are on disk; where they can't, that is said."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from app.engine import Client, Codec, Durable, NoDurability, NotDurable, seconds
from app.engine.redis.voucher import Voucher
from tests import servers
from tests.engine.jobs import write
from tests.eventually import eventually
from tests.rights import asked, rights
from tests.servers import Server

LASTING = {"appendonly": "yes", "appendfsync": "everysec"}
SURELY = write.with_options(durable=True)
WITH_WAITAOF = pytest.mark.not_by("redis", "tls", why="Redis has WAITAOF from 7.2 on")


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def started(stack: AsyncExitStack, program: str = "valkey", **options: str) -> Server:
    place = stack.enter_context(servers.folder())
    running = servers.running(servers.program(program), place, **options)
    return await stack.enter_async_context(running)


async def client_of(stack: AsyncExitStack, server: Server, codec: Codec, **options: int) -> Client:
    durable = Durable(**options) if options else None
    opened = Client.open(server.settings, codec, durable=durable, patience=seconds(10))
    return await stack.enter_async_context(opened)


@WITH_WAITAOF
async def test_a_durable_receipt_comes_from_a_server_with_an_append_only_file(
    stack: AsyncExitStack, codec: Codec
) -> None:
    server = await started(stack, **LASTING)
    await asked(server.nearby, "ACL", "SETUSER", "steward", "on", ">password", *rights())
    known = replace(server.settings, username="steward", password="password")
    client = await stack.enter_async_context(Client.open(known, codec, patience=seconds(10)))

    one = await client.enqueue(SURELY, "one")
    many = await client.enqueue_many([SURELY.call("two"), write.call("three")])

    assert [each.is_new for each in (one, *many)] == [True] * 3
    assert await asked(server.nearby, "ACL", "LOG") == []


@WITH_WAITAOF
async def test_a_server_without_one_is_refused_and_nothing_is_stored(
    stack: AsyncExitStack, codec: Codec
) -> None:
    server = await started(stack)
    client = await client_of(stack, server, codec)

    with pytest.raises(NoDurability, match="appendonly"):
        await client.enqueue(SURELY, "it")
    with pytest.raises(NoDurability):
        await client.enqueue_many([SURELY.call("it")])

    assert await client.store.redis.dbsize() == 0


@pytest.mark.more_rights("asks for CONFIG GET, where a server can not say what is on its disk")
async def test_a_server_that_can_not_say_is_taken_only_if_it_always_syncs(
    stack: AsyncExitStack, codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    server = await started(stack, "redis", **LASTING)
    version: str = (await asked(server.nearby, "INFO", "server"))["redis_version"]
    if tuple(map(int, version.split(".")[:2])) >= (7, 2):
        pytest.skip("this Redis has WAITAOF")
    client = await client_of(stack, server, codec)

    with pytest.raises(NoDurability, match="appendfsync always"):
        await client.enqueue(SURELY, "it")
    await asked(server.nearby, "CONFIG", "SET", "appendfsync", "always")
    handle = await client.enqueue(SURELY, "it")

    assert handle.is_new
    assert "rely on `appendfsync always`" in caplog.text


@WITH_WAITAOF
async def test_a_replica_that_is_missing_is_an_error_that_says_what_may_be_stored(
    stack: AsyncExitStack, codec: Codec
) -> None:
    server = await started(stack, **LASTING, repl_diskless_sync_delay="0")
    client = await client_of(stack, server, codec, replicas=1)
    job = write.with_options(id="chosen")

    with pytest.raises(NotDurable, match="chosen") as failed:
        await client.enqueue(job, "it")
    await started(stack, **LASTING, replicaof=f"127.0.0.1 {server.port}")

    async def enqueue() -> str:
        try:
            return (await client.enqueue(job, "it")).id
        except NotDurable:
            return ""

    assert failed.value.run_ids == ("chosen",)
    assert await eventually(enqueue, within=seconds(30)) == "chosen"


@WITH_WAITAOF
async def test_a_run_that_another_server_does_not_have_is_not_vouched_for(
    stack: AsyncExitStack, codec: Codec
) -> None:
    server = await started(stack, **LASTING)
    client = await client_of(stack, server, codec)
    voucher = Voucher(client.store.redis, replicas=0)
    await voucher.prepare()

    with pytest.raises(NotDurable, match="lost it"):
        await voucher.vouch(["never stored"])
