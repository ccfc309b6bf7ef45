"""The workers of a storm: each place is filled again when its process ends, and some are killed."""

import sys
from collections import Counter
from collections.abc import Sequence
from random import Random
from signal import SIGTERM
from time import monotonic

import anyio
from anyio.to_thread import run_sync

from app.engine import seconds
from storm.jobs import PREVIOUS, THIS
from storm.nursery import Nursery, environment, nursery
from storm.plan import Plan
from storm.worker import IN_VAIN, OPENED
from tests.eventually import eventually
from tests.life.evidence import Life
from tests.life.ledger import Ledger
from tests.life.processes import WorkerProcess
from tests.life.witness import Witness

EFFECTS = "effects.db"
"""The file of a storm's effects, in its folder."""
_LOOK = 0.05  # s between two looks whether a process has ended
_PAUSE_BETWEEN = 0.2  # s between two kills at least
_PAUSE = 0.5  # s before a place is filled again whose process could not even start
_STOPPING = seconds(30)
_TOLD = 1_000  # characters of what a worker said last


class Fleet:
    """Keeps them at work."""

    def __init__(self, plan: Plan, witness: Witness, url: str, chance: Random) -> None:
        """`url`: the way to Redis."""
        self._plan = plan
        self._witness = witness
        self._url = url
        self._chance = chance
        self._places = dict[int, WorkerProcess]()
        self.started = Counter[int]()
        """How many processes of each release."""
        self.last_words = list[str]()
        """Of those that ended by themselves."""
        self._is_stopping = False

    async def run(self) -> None:
        """Until they are told to stop."""
        with nursery(self._witness.ledger) as source:
            async with anyio.create_task_group() as places:
                for place in range(self._plan.workers):
                    places.start_soon(self._fill, place, source)

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
        """Kill one that works, every now and then, until cancelled; most are left at work.

        Where too few are for a while, as Redis is away, what was missed is made up for after it.
        """
        due = monotonic()
        while True:
            due += self._plan.kill_every * self._chance.uniform(0.5, 1.5)
            await anyio.sleep(max(_PAUSE_BETWEEN, due - monotonic()))
            while len(at_work := self._at_work()) <= self._plan.workers / 2:
                await anyio.sleep(_LOOK)  # else nobody is there to take runs over
            self._witness.kill(self._places[self._chosen(at_work)])

    def _at_work(self) -> list[int]:
        return [place for place, each in list(self._places.items()) if self._is_at_work(each)]

    def _chosen(self, at_work: Sequence[int]) -> int:
        """One of the release of which fewer have lived, so that half are of either."""
        rarer = min(self.started, key=lambda release: self.started[release])
        places = [place for place in at_work if _release_at(place) == rarer]
        return self._chance.choice(places or at_work)

    def _is_at_work(self, process: WorkerProcess) -> bool:
        return process.is_alive and OPENED in process.said()

    async def _fill(self, place: int, source: Nursery) -> None:
        while not self._is_stopping:
            began = monotonic()
            process = await run_sync(self._start, place, source)
            while process.is_alive:
                await anyio.sleep(_LOOK)
            if not self._is_stopping:
                await self._bury(process, began)

    async def _bury(self, process: WorkerProcess, began: float) -> None:
        said = process.said()
        life = Life(pid=process.pid, started=began, has_opened=OPENED in said, ended=monotonic())
        if life.has_opened or IN_VAIN not in said:  # else its first connection was a toxic one
            self._witness.lives.append(life)
        if process.pid not in self._witness.killed:
            self.last_words.append(f"worker {process.pid} said last: {said[-_TOLD:]}")
            await anyio.sleep(_PAUSE)

    def _start(self, place: int, source: Nursery) -> WorkerProcess:
        release = _release_at(place)
        database = EFFECTS if self._plan.has_database else ""
        words = (release, self._plan.lease, self._plan.slots, self._url, database)
        output = self._witness.ledger.path.with_name(f"worker-{place}.out")
        process = self._places[place] = source.bear(*map(str, words), output=output)
        self.started[release] += 1
        return process


def _release_at(place: int) -> int:
    return (PREVIOUS, THIS)[place % 2]


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
        environment=environment(ledger),
        folder=folder,
        output=folder / output,
        program=(sys.executable, "-P", "-m", module),
    )
