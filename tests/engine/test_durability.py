"""What a server loses when it dies: nothing that was receipted as durable, and no half of a run."""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import anyio
import pytest

from app.engine import Client, Codec, Doctor, Durable, RunStatus, Trouble, Unavailable, seconds
from tests import servers
from tests.engine.jobs import write
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.servers import Server, asked

LASTING = {"appendonly": "yes", "appendfsync": "everysec"}
SURELY = write.with_options(durable=True)
PATIENT = seconds(10)


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def started(stack: AsyncExitStack, **options: str) -> Server:
    place = stack.enter_context(servers.folder())
    running = servers.running(servers.program("valkey"), place, **LASTING, **options)
    return await stack.enter_async_context(running)


async def lost(client: Client, ids: list[str]) -> int:
    """How many of these nothing is known of."""
    return [await client.run(each).status() for each in ids].count(RunStatus.UNKNOWN)


def append_only_file(server: Server) -> Path:
    """The part that grows."""
    (path,) = (server.socket.parent / "appendonlydir").glob("*.incr.aof")
    return path


@pytest.mark.case(15)
async def test_a_killed_server_whose_files_end_is_cut_off_loses_no_durable_run(
    stack: AsyncExitStack, codec: Codec, case: Case, tier: Tier
) -> None:
    server = await started(stack)
    count, synced = tier.of(40, 400), 0
    durable, plain = list[str](), list[str]()

    async def produce(client: Client, each: int) -> None:
        nonlocal synced
        for _ in range(count // 4):
            plain.append((await client.enqueue(write, str(each))).id)
            durable.append((await client.enqueue(SURELY, str(each))).id)
            synced = append_only_file(server).stat().st_size

    async with Client.open(server.settings, codec, patience=PATIENT) as client:
        async with anyio.create_task_group() as group:
            for each in range(4):
                group.start_soon(produce, client, each)
        for each in range(count):  # the last second
            plain.append((await client.enqueue(write, str(each))).id)
        await server.stop(SIGKILL)
    os.truncate(append_only_file(server), synced)
    await server.start()

    async with Client.open(server.settings, codec, patience=PATIENT) as client:
        lost_durable, lost_plain = await lost(client, durable), await lost(client, plain)
        findings = await Doctor(client, jobs={}, pause=seconds(0.05)).examine()

    case.says(
        f"kill -9 and a file cut off after {len(durable)} durable and {len(plain)} plain receipts",
        steward=f"durable lost: {lost_durable}; plain lost: {lost_plain}, all after the cut",
    )
    assert lost_durable == 0
    assert 0 < lost_plain <= count
    assert [each for each in findings if each.trouble is not Trouble.QUEUE] == []


@pytest.mark.case(17)
@pytest.mark.tier("T2")
async def test_a_fail_over_loses_no_run_that_a_replica_had_on_disk(
    stack: AsyncExitStack, codec: Codec, case: Case
) -> None:
    first = await started(stack, repl_diskless_sync_delay="0")
    second = await started(stack, replicaof=f"127.0.0.1 {first.port}")
    durable, plain, refused = list[str](), list[str](), 0

    async with (
        Client.open(first.settings, codec, durable=Durable(1), patience=PATIENT) as sure,
        Client.open(first.settings, codec) as quick,
    ):

        async def enqueue() -> str:
            try:
                return (await sure.enqueue(write, "it")).id
            except Unavailable:
                return ""

        durable.append(await eventually(enqueue, within=seconds(30)))
        handles = await sure.enqueue_many(write.call("it") for _ in range(200))
        durable.extend(each.id for each in handles)
        second.send(SIGSTOP)
        async with anyio.create_task_group() as group:

            async def try_surely() -> None:
                nonlocal refused
                id = await enqueue()
                durable.extend([id] if id else [])
                refused += not id

            for _ in range(50):
                group.start_soon(try_surely)
            for _ in range(200):
                plain.append((await quick.enqueue(write, "it")).id)
    await first.stop(SIGKILL)
    second.send(SIGCONT)
    await asked(second.nearby, "REPLICAOF", "NO", "ONE")

    async with Client.open(second.settings, codec) as client:
        lost_durable, lost_plain = await lost(client, durable), await lost(client, plain)

    case.says(
        f"fail-over to a replica that was cut off, {len(durable)} durable receipts",
        arq="2,581 lost after the receipt",
        steward=f"durable lost: {lost_durable}, refused while it was cut off: {refused} of 50; "
        f"plain lost: {lost_plain} of {len(plain)}",
    )
    assert lost_durable == 0
    assert refused == 50
