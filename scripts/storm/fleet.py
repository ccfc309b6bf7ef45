"""The workers of a storm: each place is filled again when its process ends, and some are killed."""

import os
import sys
from pathlib import Path
from random import Random
from signal import SIGTERM
from time import monotonic

import anyio

from app.engine import seconds
from storm.jobs import PREVIOUS, THIS
from storm.plan import Plan
from storm.worker import OPENED
from tests.eventually import eventually
from tests.life.evidence import Life
from tests.life.ledger import VARIABLE, Ledger
from tests.life.processes import WorkerProcess
from tests.life.witness import Witness

_ROOT = Path(__file__).parents[2]
EFFECTS = "effects.db"
"""The file of a storm's effects, in its folder."""
_LOOK = 0.05  # s between two looks whether a process has ended
_PAUSE = 0.5  # s before a place is filled again whose process could not even start
_STOPPING = seconds(30)


class Fleet:
    """Keeps them at work."""

    def __init__(self, plan: Plan, witness: Witness, urls: list[str], chance: Random) -> None:
        """`urls`: the ways to Redis, of which each process gets one."""
        self._plan = plan
        self._witness = witness
        self._urls = urls
        self._chance = chance
        self._places = dict[int, WorkerProcess]()
        self._is_stopping = False

    async def run(self) -> None:
        """Until they are told to stop."""
        async with anyio.create_task_group() as places:
            for place in range(self._plan.workers):
                places.start_soon(self._fill, place)

    async def stop(self) -> None:
        """Tell all of them to end, in order, and wait for it."""
        self._is_stopping = True
        for process in self._places.values():
            process.send(SIGTERM)
        await eventually(self._is_gone, within=_STOPPING)

    def _is_gone(self) -> bool:
        return not any(each.is_alive for each in self._places.values())

    def end(self) -> None:
        """Leave none behind."""
        self._is_stopping = True
        for process in self._places.values():
            process.end()

    async def kill(self) -> None:
        """Kill one that works, every now and then, until cancelled; most are left at work."""
        while True:
            await anyio.sleep(self._plan.kill_every * self._chance.uniform(0.5, 1.5))
            at_work = [each for each in self._places.values() if self._is_at_work(each)]
            if len(at_work) > self._plan.workers / 2:  # else nobody is there to take runs over
                self._witness.kill(self._chance.choice(at_work))

    def _is_at_work(self, process: WorkerProcess) -> bool:
        return process.is_alive and OPENED in process.said()

    async def _fill(self, place: int) -> None:
        release = (PREVIOUS, THIS)[place % 2]
        while not self._is_stopping:
            process, began = self._start(place, release), monotonic()
            while process.is_alive:
                await anyio.sleep(_LOOK)
            if not self._is_stopping:
                await self._bury(process, began)

    async def _bury(self, process: WorkerProcess, began: float) -> None:
        has_opened = OPENED in process.said()
        life = Life(pid=process.pid, started=began, has_opened=has_opened, ended=monotonic())
        self._witness.lives.append(life)
        if process.pid not in self._witness.killed:
            await anyio.sleep(_PAUSE)

    def _start(self, place: int, release: int) -> WorkerProcess:
        process = start_worker(
            self._witness.ledger,
            release=release,
            lease=self._plan.lease,
            slots=self._plan.slots,
            url=self._chance.choice(self._urls),
            output=f"worker-{place}.out",
            database=EFFECTS if self._plan.has_database else "",
        )
        self._places[place] = process
        return process


def start_worker(
    ledger: Ledger,
    *,
    release: int,
    lease: float,
    slots: int,
    url: str,
    output: str,
    database: str = "",
) -> WorkerProcess:
    """A process that works; what it says lies beside the ledger."""
    words = map(str, (release, lease, slots, url, database))
    return start_process("storm.worker", *words, ledger=ledger, output=output)


def start_process(module: str, *words: str, ledger: Ledger, output: str) -> WorkerProcess:
    """A process of the storm's."""
    folder = ledger.path.parent
    return WorkerProcess(
        *words,
        environment=os.environ
        | {
            VARIABLE: str(ledger.path),
            "PYTHONPATH": f"{_ROOT / 'scripts'}{os.pathsep}{_ROOT}",
        },
        folder=folder,
        output=folder / output,
        program=(sys.executable, "-P", "-m", module),
    )
