"""What a server loses when it dies: nothing that was receipted as durable, and no half of a run."""

import itertools
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from time import monotonic
from typing import Any

import anyio
import pytest

from app.engine import (
    Client,
    Codec,
    Doctor,
    Durable,
    Job,
    NotDurable,
    RunStatus,
    Trouble,
    seconds,
)
from tests import servers
from tests.engine.conftest import workshop_at
from tests.engine.jobs import pass_gate, write
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.proxy import Proxy, proxied
from tests.rights import asked
from tests.servers import Server

LASTING = {"appendonly": "yes", "appendfsync": "everysec"}
SURELY = write.with_options(durable=True)
PATIENT = seconds(10)
PARTITION, FAILED_OVER = 1.0, 5.0  # s


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def started(stack: AsyncExitStack, **options: str) -> Server:
    place = stack.enter_context(servers.folder())
    running = servers.running(servers.program("valkey"), place, **(LASTING | options))
    return await stack.enter_async_context(running)


async def lost(client: Client, ids: list[str]) -> int:
    """How many of these nothing is known of."""
    return [await client.run(each).status() for each in ids].count(RunStatus.UNKNOWN)


def append_only_file(server: Server) -> Path:
    """The part that grows."""
    (path,) = (server.socket.parent / "appendonlydir").glob("*.incr.aof")
    return path


@pytest.mark.not_by("redis", "tls", why="Redis has WAITAOF from 7.2 on")
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


@pytest.mark.case(15)
@pytest.mark.parametrize(("synced", "call"), [("everysec", SURELY), ("no", write)])
async def test_a_server_that_is_killed_while_producers_enqueue_loses_no_receipt(
    stack: AsyncExitStack,
    codec: Codec,
    case: Case,
    tier: Tier,
    synced: str,
    call: Job[Any, ..., Any],
) -> None:
    """Plain ones are told without `everysec`: its writes wait while a busy disk syncs."""
    kind = "durable" if call is SURELY else "plain"
    server, kills = await started(stack, appendfsync=synced), tier.of(1, 5)
    receipts = list[str]()

    async def produce(client: Client, producer: int) -> None:
        for number in itertools.count():
            one = call.with_options(id=f"{producer}-{number}").call("it")
            receipts.append((await client.enqueue_call(one)).id)  # asks again by itself
            await anyio.lowlevel.checkpoint()

    async def more() -> None:
        enough = len(receipts) + 20
        await eventually(lambda: len(receipts) >= enough)

    async with Client.open(server.settings, codec, patience=PATIENT) as client:
        async with anyio.create_task_group() as group:
            for producer in range(4):
                group.start_soon(produce, client, producer)
            for _ in range(kills):
                await more()
                await server.stop(SIGKILL)
                await server.start()
            await more()
            group.cancel_scope.cancel()

        gone = await lost(client, receipts)
        findings = await Doctor(client, jobs={}, pause=seconds(0.05)).examine()
    case.says(
        f"kill -9 of Redis {kills} times while 4 producers enqueue, appendfsync {synced}",
        steward=f"{len(receipts)} {kind} receipts, lost: {gone}; no half of a run",
    )
    assert gone == 0  # a process that dies loses nothing it has written
    assert [each for each in findings if each.trouble is not Trouble.QUEUE] == []


@dataclass(kw_only=True)
class Pair:
    """A primary, its replica, the network between them, and the address that leads to the one."""

    first: Server
    second: Server
    link: Proxy
    front: Proxy

    async def fail_over(self) -> None:
        """Make the replica the primary, and the primary its replica, as Sentinels do."""
        await asked(self.second.nearby, "REPLICAOF", "NO", "ONE")
        self.link.cut()
        self.front.lead_to(self.second.settings)
        await asked(self.first.nearby, "REPLICAOF", "127.0.0.1", self.second.port)


@asynccontextmanager
async def open_pair(stack: AsyncExitStack) -> AsyncGenerator[Pair]:
    """Both of them, while the block lasts."""
    first = await started(stack, repl_diskless_sync_delay="0")
    async with proxied(first.by_tcp, is_read=False) as link, proxied(first.settings) as front:
        second = await started(stack, replicaof=f"127.0.0.1 {link.settings.port}")
        yield Pair(first=first, second=second, link=link, front=front)


@dataclass
class Receipts:
    """The ids that were receipted, and how many enqueues were told that nobody vouches for them."""

    plain: list[str] = field(default_factory=list[str])
    durable: list[str] = field(default_factory=list[str])
    refused: int = 0

    async def enqueue_surely(self, client: Client) -> bool:
        """One more durable run, or none."""
        try:
            self.durable.append((await client.enqueue(write, "it")).id)
        except NotDurable:
            self.refused += 1
            return False
        return True

    async def enqueue_for(self, client: Client, span: float) -> None:
        """Plain runs, one after the other."""
        with anyio.move_on_after(span):
            while True:
                with anyio.CancelScope(shield=True):
                    self.plain.append((await client.enqueue(write, "it")).id)
                await anyio.lowlevel.checkpoint()


@pytest.mark.not_by("redis", "tls", why="Redis has WAITAOF from 7.2 on")
@pytest.mark.case(17)
@pytest.mark.tier("T2")
async def test_a_fail_over_loses_no_run_that_a_replica_had_on_disk(
    stack: AsyncExitStack, codec: Codec, case: Case
) -> None:
    got, tries = Receipts(), 50
    async with (
        open_pair(stack) as pair,
        workshop_at(pair.front.settings, codec, write, pass_gate) as shop,
        Client.open(shop.redis, codec, durable=Durable(1), patience=PATIENT) as sure,
        Client.open(shop.redis, codec, patience=PATIENT) as quick,
        shop.working(poll=PATIENT, lease=seconds(8), concurrency=1),
    ):
        await eventually(lambda: got.enqueue_surely(sure), within=seconds(30))
        await quick.enqueue(pass_gate, "held")  # all that follow wait behind it
        await eventually(lambda: "held waits" in shop.page)
        before = [each.id for each in await quick.enqueue_many(write.call("it") for _ in range(50))]
        handles = await sure.enqueue_many(write.call("it") for _ in range(200))
        got.durable += [each.id for each in handles]
        got.refused = 0

        pair.link.freeze()
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(got.enqueue_for, quick, PARTITION)
            for _ in range(tries):
                group.start_soon(got.enqueue_surely, sure)
        await pair.fail_over()
        start = monotonic()
        shop.gate.set()
        after = await (await quick.enqueue(write, "after")).result(within=PATIENT)
        took = monotonic() - start

        lost_durable = await lost(quick, got.durable)
        lost_before, lost_plain = await lost(quick, before), await lost(quick, got.plain)
        await eventually(lambda: len(shop.page) > len(got.durable) + len(before))

    case.says(
        f"fail-over after a partition of {PARTITION:.0f} s, {len(got.durable)} durable receipts",
        arq="2,581 lost after the receipt",
        steward=f"durable lost: {lost_durable}, refused in the partition: {got.refused} of {tries};"
        f" plain lost: {lost_plain} of {len(got.plain)} of that second, {lost_before} of those"
        f" before; the same worker at the new primary after {took:.2f} s",
    )
    assert (lost_durable, lost_before, got.refused) == (0, 0, tries)
    assert 0 < lost_plain <= len(got.plain)
    assert (after, shop.page.count("held passes")) == (5, 1)
    assert took < FAILED_OVER
