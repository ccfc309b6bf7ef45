"""A home, the worker processes in it, and a look inside from the test's own process."""

import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio

from app.context import Services, open_client, open_services
from app.engine import Client, ManualClock, Schedule, seconds
from app.engine.redis.store import Store
from app.engine.roles.scheduler import Scheduler
from app.jobs import JOBS
from app.local.home import VALKEY
from app.settings import Settings
from app.storage.run import Run
from app.storage.runs import Runs
from tests.eventually import eventually
from tests.life import jobs
from tests.life.judge import judge
from tests.life.ledger import VARIABLE, Ledger
from tests.life.processes import ARQ, WorkerProcess
from tests.rights import python_path, refused
from tests.scratch_home import Given
from tests.servers import Server

LEASE = seconds(2)
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
    is_judged: bool = True
    """Whether all its runs have to be where they should when the story ends."""
    started: list[WorkerProcess] = field(default_factory=list[WorkerProcess])

    data: Path = Path()
    """Where its server keeps what it was given."""

    def __post_init__(self) -> None:
        self.data = self.path / VALKEY

    def lives_on(self, server: Server) -> None:
        """Have this one in the place of the home's own."""
        self.redis_url, self.data = server.url, server.data

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
        process = WorkerProcess(
            settings,
            *options,
            environment=self._environment() | variables,
            folder=self.folder,
            output=self.folder / f"worker-{len(self.started)}.out",
            program=program,
        )
        self.started.append(process)
        return process

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
            "STEWARD_WORKER__LEASE": str(LEASE.total_seconds()),
            "STEWARD_WORKER__POLL": "0.05",
        }

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Services]:
        """Everything a job could reach, for the test: one more user of the home's Redis."""
        settings = self.settings
        async with (
            open_client(settings, jobs={**JOBS, **jobs.JOBS}) as client,
            open_services(settings, client) as services,
        ):
            yield services
            assert await refused(services.client.store.redis) == []
            if self.is_judged:
                await judge(services.client)


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
