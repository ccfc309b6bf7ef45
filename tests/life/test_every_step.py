"""Workers killed at each of their calls to Redis, before it and after: who comes next goes on."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from signal import SIGTERM

import pytest
import redis as blocking

from app.engine import Client, Codec, seconds
from storm.fleet import start_worker
from storm.jobs import QUEUES, THIS, calls
from storm.worker import KEY
from tests import servers
from tests.engine.leaks import leaks
from tests.eventually import eventually
from tests.life.guillotine import Guillotine, guillotine
from tests.life.journal import WHOLE
from tests.life.ledger import Ledger
from tests.life.processes import WorkerProcess
from tests.life.witness import Witness
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.servers import Server

LONG = seconds(60)
FRESH = 5  # runs for each victim, beside those that the ones before it have left


class Scaffold:
    """A server, the way to it that kills, and who looks on."""

    def __init__(self, server: Server, way: Guillotine, witness: Witness) -> None:
        self.server = server
        self.way = way
        self.witness = witness
        self.started = list[WorkerProcess]()

    def start(self, url: str) -> WorkerProcess:
        """A worker that goes this way."""
        name = f"worker-{len(self.started)}.out"
        worker = start_worker(
            self.witness.ledger, release=THIS, lease=2, slots=4, url=url, output=name
        )
        self.started.append(worker)
        return worker

    async def behead(self, number: int, *, is_late: bool) -> None:
        """Start one that dies at this call."""
        victim = self.start(self.way.url)
        self.way.await_call(victim, number, is_late=is_late)
        await eventually(lambda: not victim.is_alive, within=LONG)

    async def is_over(self) -> bool:
        """Whether every run is."""
        await self.witness.follow()
        return not self.witness.under_way


@pytest.fixture
async def scaffold(tmp_path: Path) -> AsyncGenerator[Scaffold]:
    """Everything that it takes; what is left of it is ended."""
    async with AsyncExitStack() as stack:
        place = stack.enter_context(servers.folder())
        running = servers.running(servers.program("valkey"), place, **WHOLE)
        server = await stack.enter_async_context(running)
        client = await stack.enter_async_context(Client.open(server.nearby, Codec([KEY])))
        witness = Witness(
            client=client,
            ledger=Ledger(tmp_path / "ledger"),
            queues=QUEUES,
            lease=2,
            limit=15,
            data=server.data,
        )
        way = await stack.enter_async_context(guillotine(server.nearby, witness))
        scaffold = Scaffold(server, way, witness)
        yield scaffold
        for process in scaffold.started:
            process.end()
            print(f"--- worker {process.pid} said:\n{process.said()}")


@pytest.mark.case(10)
@pytest.mark.timeout(600)
async def test_a_worker_may_die_at_any_call(
    scaffold: Scaffold, tier: Tier, seed: int, case: Case
) -> None:
    chance, witness = Random(seed), scaffold.witness
    spots = range(tier.of(6, 2), tier.of(17, 42), tier.of(5, 1))
    for spot in spots:
        for is_late in (False, True):
            handles = await witness.client.enqueue_many(calls(chance, FRESH))
            witness.accept(*(each.id for each in handles))
            await scaffold.behead(spot, is_late=is_late)

    survivor = scaffold.start(f"redis://127.0.0.1:{scaffold.server.port}/0")
    await eventually(scaffold.is_over, within=LONG)
    survivor.send(SIGTERM)
    await survivor.exit_code()
    with blocking.Redis(unix_socket_path=str(scaffold.server.socket)) as connection:
        witness.leaked = leaks(connection)
    tally = (await witness.oracle()).demand()

    case.says(
        f"kill -9 just before or after call {spots[0]} to {spots[-1]} of {len(witness.killed)}"
        f" workers, {tally.accepted} runs",
        arq="each of its runs waits for 310 s",
        steward=f"0 lost, {tally.rerun} re-run, {tally.dead} dead as they should be",
    )
    assert len(witness.killed) == 2 * len(spots)
    assert tally.accepted == tally.completed + tally.dead == 2 * len(spots) * FRESH
