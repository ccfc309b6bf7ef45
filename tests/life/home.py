"""A home, the worker processes in it, and a look inside from the test's own process."""

import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL, Signals
from time import monotonic

import anyio

from app.connection import redis_at
from app.context import Services, open_client, open_services
from app.engine import Client, ManualClock, Schedule, seconds
from app.engine.redis.store import Store
from app.engine.roles.scheduler import Scheduler
from app.jobs import JOBS
from app.local.home import VALKEY
from app.queues import NAMES
from app.settings import Settings
from app.storage.run import Run
from app.storage.runs import Runs
from tests.eventually import eventually
from tests.life import jobs
from tests.life.belongings import Belongings
from tests.life.breach import Breach, in_lines
from tests.life.evidence import Life, Span
from tests.life.judge import breaches_of, left_behind
from tests.life.ledger import VARIABLE, Ledger
from tests.life.onlooker import Onlooker, looking_on
from tests.life.processes import ARQ, WorkerProcess
from tests.life.witness import Witness
from tests.rights import python_path, refused
from tests.scratch_home import Given
from tests.servers import Server

LEASE = seconds(2)
_LEASE = "STEWARD_WORKER__LEASE"
SPENT = {
    f"STEWARD_WORKER__{what}" for what in ("MAX_RUNS", "MAX_MEMORY", "MAX_BLOCK", "ABANDON_AFTER")
}
"""Who is given one of these may end by itself: that is what they are for."""
ROOT = Path(__file__).parents[2]
STEWARD = "app.worker.WorkerSettings"
OURS = "tests.life.workers.WorkerSettings"


@dataclass(kw_only=True)
class Home:
    """Where a story happens."""

    path: Path
    folder: Path
    """The working directory of its processes, outside of the home."""
    ledger: Ledger
    redis_url: str = ""
    """Another Redis than the home's own."""
    database_url: str = ""
    """A PostgreSQL in the place of the home's own file."""
    limit: float = 2
    """Leases that a recovery may take."""
    started: list[WorkerProcess] = field(default_factory=list[WorkerProcess])
    sent: dict[int, dict[Signals, float]] = field(default_factory=dict[int, dict[Signals, float]])
    """The signals that the story has sent to processes which it did not start itself."""
    server: Server | None = None
    """What it lives on, if that is not its own."""

    data: Path = Path()
    """Where its server keeps what it was given."""

    witness: Witness = field(init=False)
    """Who looks on while it is open."""
    was_opened: bool = False
    lease: float = LEASE.total_seconds()
    """The longest one of its workers."""

    def __post_init__(self) -> None:
        self.data = self.path / VALKEY

    def lives_on(self, server: Server) -> None:
        """Have this one in the place of the home's own."""
        self.redis_url, self.data, self.server = server.url, server.data, server

    @property
    def settings(self) -> Settings:
        """What it is opened with."""
        return Given.model_validate(
            {
                "home": self.path,
                "redis": {"url": self.redis_url or None},
                "database": {"url": self.database_url or None},
            }
        )

    def worker(
        self,
        settings: str = OURS,
        *options: str,
        program: Sequence[str | Path] = (ARQ,),
        **variables: str,
    ) -> WorkerProcess:
        """Start `arq <settings>`; `variables` go on top of what every process here gets."""
        environment = self._environment() | variables
        with suppress(ValueError):  # some have none
            self.lease = max(self.lease, float(environment[_LEASE]))
        process = WorkerProcess(
            settings,
            *options,
            environment=environment,
            folder=self.folder,
            output=self.folder / f"worker-{len(self.started)}.out",
            program=program,
        )
        process.may_end = bool(variables.keys() & SPENT) or "--burst" in options
        self.started.append(process)
        return process

    def send(self, pid: int, number: Signals) -> None:
        """Send a signal to whatever process, one that a supervisor has started, for example."""
        own = [each for each in self.started if each.pid == pid]
        for each in own:
            each.send(number)
        if not own:
            os.kill(pid, number)
            self.sent.setdefault(pid, {}).setdefault(number, monotonic())

    def may_end(self, *processes: WorkerProcess) -> None:
        """Say that these may end by themselves: the story is about that."""
        for process in processes:
            process.may_end = True

    def supervisor(self, processes: int, *options: str, **variables: str) -> WorkerProcess:
        """Start `steward worker --processes`, with the same jobs."""
        return self.steward(f"--processes={processes}", *options, **variables)

    def steward(self, *options: str, **variables: str) -> WorkerProcess:
        """Start `steward worker`, with the stories' jobs among the application's."""
        return self.worker(
            "worker",
            *options,
            program=(sys.executable, "-m", "app"),
            PYTHONPATH=python_path(ROOT / "tests" / "life" / "site"),
            **variables,
        )

    async def command(self, *words: str) -> str:
        """Run `steward`, and return what it printed."""
        program = (sys.executable, "-m", "app", *words)
        with anyio.fail_after(60):
            done = await anyio.run_process(program, cwd=self.folder, env=self._environment())
        return done.stdout.decode()

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            VARIABLE: str(self.ledger.path),
            "PYTHONPATH": python_path(),
            "STEWARD_HOME": str(self.path),
            "STEWARD_REDIS__URL": self.redis_url,
            "STEWARD_DATABASE__URL": self.database_url,
            "STEWARD_REDIS__ACCEPT": '["no-persistence"]',
            _LEASE: str(LEASE.total_seconds()),
            "STEWARD_WORKER__POLL": "0.05",
        }

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Services]:
        """Everything a job could reach, for the test: one more user of the home's Redis.

        When the block is left, the story is over: it is judged, and its processes end.
        """
        settings, before = self.settings, Belongings.now()
        async with (
            open_client(settings, jobs={**JOBS, **jobs.JOBS}) as client,
            open_services(settings, client) as services,
        ):
            self.witness, self.was_opened = self._witness(client), True
            async with looking_on(self.witness) as onlooker:
                yield services
            assert await refused(client.store.redis) == []
            breaches = await self._judged(onlooker)
        breaches += [Breach("I8", said) for said in await before.left_over()]
        assert not breaches, in_lines(breaches)

    def _witness(self, client: Client) -> Witness:
        return Witness(
            client=client,
            ledger=self.ledger,
            queues=NAMES,
            lease=self.lease,
            limit=self.limit,
            data=self.data,
            journal=self.folder / "journal",
        )

    async def _judged(self, onlooker: Onlooker) -> list[Breach]:
        """What is wrong at the end, before its processes end and after."""
        witness = self.witness
        witness.until, witness.lease, witness.lives = monotonic(), self.lease, self.lives()
        witness.killed = self._killed() | witness.killed
        witness.outages += [Span(*each) for each in self.server.away] if self.server else []
        witness.torn += onlooker.missed()
        found = await breaches_of(witness)
        for process in self.started:
            process.end()
        return found + left_behind(redis_at(self.settings), self.started, lease=self.lease)

    def lives(self) -> list[Life]:
        """The processes that nobody told to end, those that a supervisor started among them."""
        found = [
            Life(
                pid=each.pid,
                started=each.began,
                has_opened=each.has_opened,
                ended=None if each.is_alive else monotonic(),
            )
            for each in self.started
            if not (each.may_end or each.is_told_to_end)
        ]
        lost = [pid for each in self.started if not each.may_end for pid, _ in each.lost()]
        return found + [
            Life(pid=pid, started=0, ended=monotonic()) for pid in lost if pid not in self.sent
        ]

    def _killed(self) -> dict[int, float]:
        own = {each.pid: each.killed_at for each in self.started}
        others = {pid: sent.get(SIGKILL) for pid, sent in self.sent.items()}
        return {pid: at for pid, at in (own | others).items() if at is not None}


async def worked_until(steward: Services, timetable: Sequence[Schedule], *, ago: timedelta) -> None:
    """Leave the schedules as workers do that were stopped so long ago."""
    clock = ManualClock()
    clock.advance(-ago)
    then = Client(Store(steward.client.store.redis, clock), steward.client.codec)
    await Scheduler(timetable, then).fire_due()


async def history(steward: Services, run_id: str) -> Run:
    """The run in the history, as soon as that says the run is over."""
    runs = Runs(steward.database)

    async def look() -> list[Run]:
        return [each for each in await runs.list(limit=1_000) if each.id == run_id and each.is_over]

    return (await eventually(look))[0]
