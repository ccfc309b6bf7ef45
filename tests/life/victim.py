"""Workers that are killed in the middle of one job, each at another step of its work.

    python -m tests.life.victim

One process loads everything, and forks a worker for each order that it reads: which job, at which
step of it the whole process is killed, and what the time is. A step is whatever leaves a trace
outside of the process: a statement that writes, a commit, a file that is opened for writing,
renamed or removed, a connection to a server. A job that takes fewer is killed at its end, before
anybody has heard of it. The worker knows no other job, so nothing but this one is cut off.
"""

import os
import sys
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import wraps
from signal import SIGKILL
from typing import Any

import anyio
import msgspec
from sqlalchemy import Engine, event

from app.engine import Job, seconds
from app.jobs import JOBS
from app.observability.logging import configure_logging
from tests.life.day import a_day
from tests.life.ledger import Ledger
from tests.scratch_home import Given

DIED = "died in the middle"
LEASE = seconds(2)
_WRITES = ("INSERT", "UPDATE", "DELETE")
_TOUCHES = {
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"),
    "socket.connect",
}
_FOR_WRITING = os.O_WRONLY | os.O_RDWR
_LONGEST = 30.0  # s that a victim may live


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to kill, and where."""

    job: str
    spot: int
    now: datetime
    settings: dict[str, Any]


@dataclass
class Fate:
    """Counts the steps of a job that is at work, and ends the process at one of them."""

    order: Order
    _steps: int = 0
    _is_at_work: bool = field(default=False)

    def begin(self) -> None:
        """The job is called."""
        self._is_at_work = True

    def step(self, what: str) -> None:
        """Something is about to be left."""
        if self._is_at_work:
            self._steps += 1
            if self._steps >= self.order.spot:
                self.die(what)

    def die(self, what: str) -> None:
        """As if the power went."""
        self._is_at_work = False
        Ledger.here().write(DIED, run=self.order.job, key=f"{self._steps}: {what}")
        os.kill(os.getpid(), SIGKILL)

    def listen(self) -> None:
        """Hear of every step of this process."""

        def heard(what: str, args: tuple[Any, ...]) -> None:
            if what in _TOUCHES or (what == "open" and (args[2] or 0) & _FOR_WRITING):
                self.step(what)

        def executed(_c: object, _d: object, statement: str, *_: object) -> None:
            if statement.lstrip().upper().startswith(_WRITES):
                self.step(" ".join(statement.split()[:3]))

        def committing(_connection: object) -> None:
            self.step("commit")

        sys.addaudithook(heard)
        event.listen(Engine, "before_cursor_execute", executed)
        event.listen(Engine, "commit", committing)


def deadly(job: Job[Any, ..., Any], fate: Fate) -> Job[Any, ..., Any]:
    """The job, which its process does not outlive."""

    @wraps(job.function)
    async def dying(*args: Any, **kwargs: Any) -> None:
        fate.begin()
        await job.function(*args, **kwargs)
        fate.die("its end")

    return replace(job, function=dying)


async def _live(order: Order) -> None:
    fate = Fate(order)
    settings = Given.model_validate(order.settings)
    with anyio.fail_after(_LONGEST):
        async with a_day(settings, order.now, ()) as day:
            day.clock.advance(order.now - day.clock.now())
            fate.listen()
            jobs = {order.job: deadly(JOBS[order.job], fate)}
            await day.worker("victim", jobs=jobs, lease=LEASE).run()


def main() -> None:
    """Fork a worker for each order, and say how it ended."""
    configure_logging("WARNING")
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        pid = os.fork()
        if not pid:
            try:
                anyio.run(_live, order)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
