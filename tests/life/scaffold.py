"""A server, a way to it that kills, and workers one after the other, for the oracle to judge."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from signal import SIGTERM

import anyio

from app.engine import Client, Codec, Doctor, Finding, seconds
from app.engine.redis.connection import make_blocking_redis
from storm.fleet import start_process, start_worker
from storm.jobs import QUEUES, RELEASES, THIS, TIMETABLE
from storm.meddler import Meddler, regretted
from storm.mix import calls
from storm.producer import RECEIPT
from storm.worker import KEY
from tests import servers
from tests.engine.leaks import leaks
from tests.eventually import eventually
from tests.life.guillotine import Guillotine, guillotine
from tests.life.journal import WHOLE
from tests.life.ledger import Ledger
from tests.life.processes import WorkerProcess
from tests.life.tally import Tally
from tests.life.witness import Witness
from tests.servers import Server

_LEASE = 2.0  # s
_PATIENT = 15  # leases that a recovery may take: the tests share their machine
_LONG = seconds(120)
_PAUSE = 0.01  # s between two runs that are enqueued while one is to die


class Scaffold:
    """Where workers die, or live long."""

    def __init__(self, server: Server, way: Guillotine, witness: Witness, chance: Random) -> None:
        self.server = server
        self.way = way
        self.witness = witness
        self.started = list[WorkerProcess]()
        self.meddler = Meddler(witness.client, chance)
        self._chance = chance

    def start(self, url: str = "", *, slots: int = 4) -> WorkerProcess:
        """A worker that goes this way, or straight."""
        worker = start_worker(
            self.witness.ledger,
            release=THIS,
            lease=_LEASE,
            slots=slots,
            url=url or self.server.url,
            output=f"worker-{len(self.started)}.out",
        )
        self.started.append(worker)
        return worker

    def ask(self, url: str, *, count: int) -> WorkerProcess:
        """One that enqueues so many runs."""
        seed = str(len(self.started))
        asking = start_process(
            "storm.producer",
            *(seed, str(count), url),
            ledger=self.witness.ledger,
            output=f"producer-{seed}.out",
        )
        self.started.append(asking)
        return asking

    async def behead(self, number: int, *, is_late: bool, asking: int = 0) -> list[Finding]:
        """Start one that dies at this call, a worker or one that asks; what a doctor says then."""
        victim = self.ask(self.way.url, count=asking) if asking else self.start(self.way.url)
        self.way.await_call(victim, number, is_late=is_late)
        with anyio.fail_after(_LONG.total_seconds()):
            while victim.is_alive:
                if not asking:
                    await self.enqueue(1)
                await self.witness.follow()
                await anyio.sleep(_PAUSE)
        receipts = self.witness.ledger.lines(RECEIPT)
        self.witness.accept(*(line.run for line in receipts))
        return await self.examined()

    async def enqueue(self, count: int) -> None:
        """So many runs, some of which are cancelled at once."""
        wanted = calls(self._chance, count)
        handles = await self.witness.client.enqueue_many(wanted)
        self.witness.accept(*(each.id for each in handles))
        for each in regretted(wanted, handles):
            await each.cancel()

    async def examined(self) -> list[Finding]:
        """All that a doctor finds wrong."""
        doctor = Doctor(
            self.witness.client, jobs=RELEASES[THIS], timetable=TIMETABLE, pause=seconds(0.05)
        )
        return await doctor.examine()

    async def all_over(self) -> None:
        """Wait until every run is, those of dead letters that are to run again included."""
        await eventually(self._is_over, within=_LONG)

    async def _is_over(self) -> bool:
        await self.witness.follow()
        return await self.meddler.is_done() and not self.witness.under_way

    async def judged(self, *workers: WorkerProcess) -> Tally:
        """Stop these, the last ones, and ask the oracle."""
        for worker in workers:
            worker.send(SIGTERM)
            await worker.exit_code()
        with make_blocking_redis(self.server.settings) as connection:
            self.witness.leaked += leaks(connection)
        return (await self.witness.oracle()).demand()


@asynccontextmanager
async def scaffolding(
    folder: Path, *, seed: int, limit: float = _PATIENT
) -> AsyncGenerator[Scaffold]:
    """Everything that it takes; what is left of it is ended."""
    async with AsyncExitStack() as stack:
        place = stack.enter_context(servers.folder())
        running = servers.running(servers.program("valkey"), place, **WHOLE)
        server = await stack.enter_async_context(running)
        client = await stack.enter_async_context(Client.open(server.settings, Codec([KEY])))
        witness = Witness(
            client=client,
            ledger=Ledger(folder / "ledger"),
            queues=QUEUES,
            lease=_LEASE,
            limit=limit,
            data=server.data,
        )
        way = await stack.enter_async_context(guillotine(server.settings, witness))
        scaffold = Scaffold(server, way, witness, Random(seed))
        try:
            yield scaffold
        finally:
            for process in scaffold.started:
                process.end()
                print(f"--- worker {process.pid} said:\n{process.said()}")
