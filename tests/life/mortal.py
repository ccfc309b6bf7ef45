"""Workers whose relay kills the whole process at one step of its first round, as a crash would.

    python -m tests.life.mortal 1

One process loads everything, and forks a worker for each step, so many times over, as soon as its
gate opens; when it has died, the ledger says so. For 0 there is one that stands still instead. The
first serves all queues while its relay rests; the last lives, and brings what is left. The others
serve none of the tests' jobs, so that nothing but the relay's work is interrupted.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum, auto
from signal import SIGKILL, SIGSTOP
from typing import Any, NoReturn

import anyio
import anyio.lowlevel
from sqlalchemy import Engine, Pool, event

import app.worker
from app.engine import run_process
from app.jobs import JOBS
from app.observability.logging import configure_logging
from app.queues import NAMES, SYNC
from app.relay import Relay
from app.settings import read_settings
from app.storage.outbox import Waiting
from tests.life import jobs
from tests.life.ledger import Ledger


class Step(Enum):
    """Where a relay dies, in the order of a round."""

    BEFORE_LEASE = auto()
    BEFORE_ENQUEUE = auto()
    AFTER_ENQUEUE = auto()
    IN_DELETE = auto()
    """Before the delete is committed."""
    AFTER_DELETE = auto()
    AFTER_ALL = auto()
    NEVER = auto()
    NEVER_AND_RESTS = auto()
    NEVER_AND_STANDS_STILL = auto()
    """... before it enqueues, until it is told to go on."""


DEADLY = [step for step in Step if not step.name.startswith("NEVER")]
STANDS_STILL = "the relay stands still"
DIED = "the relay's worker died"


_in_use: set[object] = set()
"""The database connections that this process is using."""


class MortalRelay(Relay):
    """Dies at one step."""

    step = Step.NEVER

    async def run(self) -> None:
        """The same, or nothing."""
        if self.step is Step.NEVER_AND_RESTS:
            await anyio.sleep_forever()
        await super().run()

    async def round(self) -> bool:
        """A round that is the last."""
        self._die(Step.BEFORE_LEASE)
        is_ours = await super().round()
        if is_ours:
            self._die(Step.AFTER_ALL)
        return is_ours

    async def read(self) -> Sequence[Waiting]:
        """What is read with the lease."""
        rows = await super().read()
        self._die(Step.BEFORE_ENQUEUE)
        await self._stand_still()
        return rows

    async def delete(self, marks: Iterable[str]) -> None:
        """What comes when the runs are on their queues."""
        self._die(Step.AFTER_ENQUEUE)
        event.listen(Engine, "after_cursor_execute", self._die_of_a_delete)
        await super().delete(marks)
        self._die(Step.AFTER_DELETE)

    def _die(self, step: Step) -> None:
        if self.step is step:
            os.kill(os.getpid(), SIGKILL)

    async def _stand_still(self) -> None:
        """When the process is in no transaction: everybody would wait for what that has locked."""
        if self.step is Step.NEVER_AND_STANDS_STILL:
            MortalRelay.step = Step.NEVER
            while _in_use:
                await anyio.lowlevel.checkpoint()
            Ledger.here().write(STANDS_STILL)
            os.kill(os.getpid(), SIGSTOP)

    def _die_of_a_delete(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM outbox"):
            self._die(Step.IN_DELETE)


def lives(times: int) -> list[tuple[str, Step]]:
    """Every worker there will be: the gate it waits for, and where its relay dies."""
    deaths = [(f"{step.name}-{time}", step) for time in range(times) for step in DEADLY]
    others = deaths or [("still", Step.NEVER_AND_STANDS_STILL)]
    return [("first", Step.NEVER_AND_RESTS), *others, ("last", Step.NEVER)]


def main() -> None:
    """Fork one worker after the other, and wait for those that die."""
    for gate, step in lives(int(sys.argv[1])):
        anyio.run(Ledger.here().through_gate, gate)
        pid = os.fork()
        if not pid:
            _become(step)
        if step in DEADLY:
            _, status = os.waitpid(pid, 0)
            Ledger.here().write(DIED, run=str(os.waitstatus_to_exitcode(status)))
    with suppress(ChildProcessError):
        os.wait()


def _become(step: Step) -> NoReturn:
    MortalRelay.step = step
    app.worker.__dict__["Relay"] = MortalRelay
    event.listen(Pool, "checkout", _taken)
    event.listen(Pool, "checkin", _given_back)
    try:
        run_process(_work)
    finally:
        os._exit(1)


def _taken(_connection: object, record: object, _proxy: object) -> None:
    _in_use.add(record)


def _given_back(_connection: object, record: object) -> None:
    _in_use.discard(record)


async def _work() -> int:
    settings = read_settings()
    configure_logging(settings.log.level)
    queues = [SYNC] if MortalRelay.step in DEADLY else NAMES
    known = {**JOBS, **jobs.JOBS}
    async with app.worker.open_worker(settings, queues=queues, jobs=known, timetable=()) as worker:
        await worker.run()
    return 0


if __name__ == "__main__":
    main()
