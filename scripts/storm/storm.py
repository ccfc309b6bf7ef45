"""One storm from its first run to the verdict."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic

import anyio

from app.engine import Client, Codec, Events, Unavailable
from app.engine.redis.connection import make_blocking_redis
from app.local.binary import find_binary
from app.observability.recorder import Recorder
from app.storage.database import Database
from app.storage.runs import Runs
from storm.faults import Faults
from storm.fleet import EFFECTS, Fleet
from storm.jobs import PREVIOUS, QUEUES
from storm.meddler import Meddler
from storm.network import Network, network
from storm.plan import Plan
from storm.producers import Producers
from storm.pulse import Pulse
from storm.weather import Weather
from storm.worker import KEY
from tests.engine.leaks import leaks
from tests.life.journal import ROLLING
from tests.life.ledger import Ledger
from tests.life.oracle import Oracle
from tests.life.witness import Witness
from tests.servers import Server, running
from tests.ways import url_of

_LOOK = 0.25  # s between two looks at what has happened
_SAMPLE = 200  # runs

Progress = Callable[["Passing"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """How a storm stands."""

    seconds: float
    accepted: int
    over: int
    faults: Faults
    samples: int
    calm: float = 0.0
    """Seconds from the last fault until the last run was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a storm."""

    plan: Plan
    oracle: Oracle
    end: Passing
    last_words: Sequence[str] = ()
    """Of the workers that ended by themselves."""
    folder: Path
    """What the workers said last is there, while the storm's block lasts."""

    @property
    def lacking(self) -> list[str]:
        """Which faults were too few."""
        return list(self.end.faults.lacking(self.plan))

    @property
    def wrong(self) -> list[str]:
        """All that is, a line each; a storm that was none proves nothing."""
        said = [self.oracle.said(), *self.last_words[-3:]] if self.oracle.breaches else []
        return said + [f"too few faults: {each}" for each in self.lacking]


class Stuck(Exception):
    """For too long no run has ended."""


class Storm:
    """All that happens, and who looks on."""

    def __init__(
        self, plan: Plan, witness: Witness, server: Server, net: Network, heard: Progress
    ) -> None:
        """`heard` is told now and then how it stands."""
        self._plan = plan
        self._witness = witness
        self._net = net
        self._heard = heard
        chance = Random(plan.seed)
        self._fleet = Fleet(plan, witness, url_of(net.settings), Random(chance.random()))
        self._weather = Weather(plan, server, witness, Random(chance.random()))
        self._producers = Producers(plan, witness, net.settings, Random(chance.random()))
        self._meddler = Meddler(witness.client, Random(chance.random()))
        self._sampled = Random(chance.random())
        self._pulse = Pulse()
        self._began = monotonic()
        self._changed_at = self._began
        self._raged_for = 0.0
        self._calm_for = 0.0

    async def run(self) -> Passing:
        """Until every run is over, the last one in calm weather; raises `Stuck`."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._fleet.run)
                group.start_soon(self._look)
                await self._rage()
                self._raged_for = monotonic() - self._began
                await self._calm()
                self._calm_for = monotonic() - self._began - self._raged_for
                await self._fleet.stop()
                group.cancel_scope.cancel()
        finally:
            self._fleet.end()
        return self.passing

    async def _rage(self) -> None:
        async with anyio.create_task_group() as faults:
            faults.start_soon(self._weather.run)
            faults.start_soon(self._fleet.kill)
            faults.start_soon(self._net.sicken, self._plan.toxic)
            faults.start_soon(self._meddler.run)
            await self._producers.run()
            faults.cancel_scope.cancel()

    async def _calm(self) -> None:
        """Until no run is left, or only such as two looks have found nowhere: the oracle judges."""
        gone = set[str]()
        while not await self._meddler.is_done() or self._witness.under_way > len(gone):
            with suppress(Unavailable):
                before = await self._witness.lost()
                await anyio.sleep(_LOOK)
                gone = before & await self._witness.lost()

    @property
    def last_words(self) -> Sequence[str]:
        """Of the workers that ended by themselves."""
        return self._fleet.last_words

    @property
    def passing(self) -> Passing:
        """How it stands."""
        witness = self._witness
        return Passing(
            seconds=monotonic() - self._began,
            accepted=len(witness.accepted),
            over=len(witness.accepted) - witness.under_way,
            faults=self._faults,
            samples=witness.samples,
            calm=self._calm_for,
        )

    @property
    def _faults(self) -> Faults:
        started = self._fleet.started
        return Faults(
            seconds=self._raged_for or monotonic() - self._began,
            kills=len(self._witness.killed),
            restarts=len(self._witness.outages),
            toxic=self._net.toxic,
            connections=self._net.seen,
            previous=started[PREVIOUS],
            started=started.total(),
        )

    async def _look(self) -> None:
        over = 0
        while True:
            with suppress(Unavailable):
                await self._witness.follow()
                await self._witness.sample(self._some())
            if self.passing.over != over:
                over, self._changed_at = self.passing.over, monotonic()
            if monotonic() - self._changed_at > self._plan.patience:
                left = await self._witness.left()
                raise Stuck(f"no run has ended for {self._plan.patience:g} s: {left}")
            self._heard(self.passing)
            self._feel()
            await anyio.sleep(_LOOK)

    def _feel(self) -> None:
        if self._plan.is_shared:
            self._pulse.beat()
            self._witness.limit = self._plan.limit * self._pulse.slowest

    def _some(self) -> list[str]:
        accepted = list(self._witness.accepted)
        return self._sampled.sample(accepted, min(_SAMPLE, len(accepted)))


@asynccontextmanager
async def passed(plan: Plan, heard: Progress) -> AsyncGenerator[Verdict]:
    """A storm that has passed; its folder is removed with the block.

    Raises `Stuck`, and `TimeoutError` when all of it takes too long.
    """
    folder = Path(tempfile.mkdtemp(prefix="storm-"))
    try:
        with anyio.fail_after(plan.deadline):
            verdict = await _raged(plan, folder, heard)
        yield verdict
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _raged(plan: Plan, folder: Path, heard: Progress) -> Verdict:
    async with (
        running(find_binary(), folder, **ROLLING) as server,
        network(server.settings, Random(plan.seed)) as net,
        _watched(plan, server, folder) as witness,
    ):
        storm = Storm(plan, witness, server, net, heard)
        end = await storm.run()
        witness.leaked = _leaked(server)
        oracle, words = await witness.oracle(), storm.last_words
        return Verdict(plan=plan, oracle=oracle, end=end, last_words=words, folder=folder)


@asynccontextmanager
async def _watched(plan: Plan, server: Server, folder: Path) -> AsyncGenerator[Witness]:
    """Somebody who looks on, by a way that nobody cuts, and a recorder that keeps the history."""
    async with (
        Client.open(server.settings, Codec([KEY])) as client,
        Database.open(folder / "history.db") as database,
        Database.open(folder / EFFECTS) as effects,
        anyio.create_task_group() as group,
    ):
        await database.migrate()
        await effects.migrate()
        history = Runs(database)
        group.start_soon(Recorder(Events(client.store), history).run)
        yield Witness(
            client=client,
            ledger=Ledger(folder / "ledger"),
            queues=QUEUES,
            lease=plan.lease,
            limit=plan.limit,
            data=server.data,
            journal=folder / "journal",
            history=history,
        )
        group.cancel_scope.cancel()


def _leaked(server: Server) -> list[str]:
    with make_blocking_redis(server.settings) as connection:
        return leaks(connection)
