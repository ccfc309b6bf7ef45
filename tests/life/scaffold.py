"""A server, a way to it that kills, and workers one after the other, for the oracle to judge."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGTERM

import redis as blocking

from app.engine import Client, Codec, seconds
from storm.fleet import start_worker
from storm.jobs import QUEUES, THIS
from storm.worker import KEY
from tests import servers
from tests.engine.leaks import leaks
from tests.eventually import eventually
from tests.life.guillotine import Guillotine, guillotine
from tests.life.journal import WHOLE
from tests.life.ledger import Ledger
from tests.life.oracle import Tally
from tests.life.processes import WorkerProcess
from tests.life.witness import Witness
from tests.servers import Server

_LEASE = 2.0  # s
_PATIENT = 15  # leases that a recovery may take: the tests share their machine
_LONG = seconds(120)


class Scaffold:
    """Where workers die, or live long."""

    def __init__(self, server: Server, way: Guillotine, witness: Witness) -> None:
        self.server = server
        self.way = way
        self.witness = witness
        self.started = list[WorkerProcess]()

    def start(self, url: str = "", *, slots: int = 4) -> WorkerProcess:
        """A worker that goes this way, or straight."""
        worker = start_worker(
            self.witness.ledger,
            release=THIS,
            lease=_LEASE,
            slots=slots,
            url=url or f"redis://127.0.0.1:{self.server.port}/0",
            output=f"worker-{len(self.started)}.out",
        )
        self.started.append(worker)
        return worker

    async def behead(self, number: int, *, is_late: bool) -> None:
        """Start one that dies at this call."""
        victim = self.start(self.way.url)
        self.way.await_call(victim, number, is_late=is_late)
        await eventually(lambda: not victim.is_alive, within=_LONG)

    async def all_over(self) -> None:
        """Wait until every run is."""
        await eventually(self._is_over, within=_LONG)

    async def _is_over(self) -> bool:
        await self.witness.follow()
        return not self.witness.under_way

    async def judged(self, *workers: WorkerProcess) -> Tally:
        """Stop these, the last ones, and ask the oracle."""
        for worker in workers:
            worker.send(SIGTERM)
            await worker.exit_code()
        with blocking.Redis(unix_socket_path=str(self.server.socket)) as connection:
            self.witness.leaked += leaks(connection)
        return (await self.witness.oracle()).demand()


@asynccontextmanager
async def scaffolding(folder: Path) -> AsyncGenerator[Scaffold]:
    """Everything that it takes; what is left of it is ended."""
    async with AsyncExitStack() as stack:
        place = stack.enter_context(servers.folder())
        running = servers.running(servers.program("valkey"), place, **WHOLE)
        server = await stack.enter_async_context(running)
        client = await stack.enter_async_context(Client.open(server.nearby, Codec([KEY])))
        witness = Witness(
            client=client,
            ledger=Ledger(folder / "ledger"),
            queues=QUEUES,
            lease=_LEASE,
            limit=_PATIENT,
            data=server.data,
        )
        way = await stack.enter_async_context(guillotine(server.nearby, witness))
        scaffold = Scaffold(server, way, witness)
        try:
            yield scaffold
        finally:
            for process in scaffold.started:
                process.end()
                print(f"--- worker {process.pid} said:\n{process.said()}")
