"""The tasks of the runs at work: this file starts them, times them, and waits for every one.

A run's task is cancelled for one of three reasons: its time is up, somebody cancelled the run, or
the worker is stopping. It then has `grace` to clean up. A task that is still there afterwards is
abandoned: its attempt is reported as over, its slot is free, and whatever it does later counts for
nothing, because the lease it would commit under is gone. A run that has stood behind others until
its time was up never began: it is given back, uncharged.

One timer serves all deadlines: when the next run's time is up it looks at all of them, and there
are never many. Which task a run is at work in, the `carriers` know: one of its own once it waits.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

from app.engine.outcome import Outcome
from app.engine.roles.carriers import Carriers
from app.engine.roles.running import Body, Ended, Running, Stopped

log = logging.getLogger(__name__)


class Slots:
    """Up to `count` runs at once."""

    def __init__(self, count: int, *, grace: timedelta, ended: Ended) -> None:
        """`ended` is told once a run: its outcome, or None when the task was cut off before."""
        self.count = count
        self._grace = grace.total_seconds()
        self._ended = ended
        self._running: set[Running] = set()
        self._abandoned: dict[asyncio.Task[None], str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = math.inf
        self.is_closed = False
        self._carriers = Carriers(self._over)
        self.changed = asyncio.Event()
        self.freed: Callable[[], None] = _nobody
        """Told of each slot that is free again."""

    @property
    def free(self) -> int:
        """How many more runs fit; none while they are closed."""
        return 0 if self.is_closed else self.count - len(self._running)

    def since_last_start(self) -> float:
        """How many seconds the youngest run here has been at work; infinite if there is none."""
        now = monotonic()
        at_work = (each for each in self._running if each.deadline < math.inf)
        began = (each.deadline - each.job.timeout_ms / 1000 for each in at_work)
        return now - max(began, default=-math.inf)

    @contextmanager
    def closed(self) -> Generator[None]:
        """Have no free slot while the block lasts; what is started all the same, runs."""
        self.is_closed = True
        try:
            yield
        finally:
            self.is_closed = False
            self.changed.set()
            self.freed()

    @property
    def is_empty(self) -> bool:
        """Whether no run is at work; one that was abandoned may still be there."""
        return not self._running

    @property
    def running(self) -> tuple[Running, ...]:
        """The runs at work."""
        return tuple(self._running)

    @property
    def attempts(self) -> Iterable[tuple[str, int]]:
        """The attempts at work: by one's lease, a second would pass for the same."""
        return ((each.run.id, each.run.attempt) for each in self._running)

    def has_abandoned(self, run_id: str) -> bool:
        """Whether an attempt of this run is still at work here, though it counts for nothing."""
        return run_id in self._abandoned.values()

    def busy_with(self, queue: str) -> int:
        """How many slots hold runs of this queue."""
        return sum(running.run.queue == queue for running in self._running)

    def hold(self, running: Running) -> None:
        """Keep a slot for a run that may soon start."""
        running.deadline = math.inf
        self._running.add(running)

    def let_go(self, running: Running) -> None:
        """It does not start, and is not this worker's any more: nobody is told of it."""
        if not running.is_over:
            running.is_over = True
            self._running.remove(running)
            self.changed.set()
            self.freed()

    def start(self, running: Running, body: Body) -> None:
        """Run `body` soon, in a task to be cancelled when the run's time is up."""
        self._running.add(running)
        deadline = monotonic() + running.job.timeout_ms / 1000
        running.deadline = deadline
        self._carriers.add(running, body)
        if deadline < self._looks_at:
            self._watch(deadline)

    def cancel(self, run_id: str, why: Stopped) -> None:
        """Ask a run's task to stop; nothing happens if it isn't here or was asked before."""
        for running in self.running:
            if running.run.id == run_id and running.stopped is None:
                self._stop(running, why)

    def cancel_all(self, why: Stopped) -> None:
        """Ask every task to stop that was not asked before."""
        for running in self.running:
            if running.stopped is None:
                self._stop(running, why)

    def _stop(self, running: Running, why: Stopped) -> None:
        running.stopped = why
        if running.task is None:  # that its time went by before it began is no fault of its own
            running.stopped = Stopped.STOPPING if why is Stopped.TIMEOUT else why
            self._over(running, None)
            return
        running.task.add_done_callback(lambda _: self._over(running, None))  # it may not have begun
        running.task.cancel()
        running.deadline = monotonic() + self._grace
        self._watch(running.deadline)

    async def idle(self) -> None:
        """Wait until no run is at work; bounded by their deadlines, which this file enforces."""
        while self._running:
            self.changed.clear()
            await self.changed.wait()

    async def over(self, run_id: str) -> None:
        """Wait until this run is not at work here; bounded by its deadline."""
        while any(each.run.id == run_id for each in self._running):
            self.changed.clear()
            await self.changed.wait()

    async def close(self) -> None:
        """Cut off what was abandoned earlier and is still there; waits for what reacts at once."""
        for task in self._abandoned:
            task.cancel()
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=0.1)
        if self._timer:
            self._timer.cancel()

    def _watch(self, deadline: float) -> None:
        """Look again at `deadline`, unless a look is due before it."""
        if deadline < self._looks_at:
            if self._timer is not None:
                self._timer.cancel()
            self._looks_at = deadline
            until = max(0.0, deadline - monotonic())
            self._timer = asyncio.get_running_loop().call_later(until, self._look)

    def _look(self) -> None:
        """Deal with every run whose time is up, and look again when the next one's is."""
        self._timer, self._looks_at = None, math.inf
        now = monotonic()
        for running in self.running:
            if running.deadline <= now:
                self._overdue(running)
        if self._running:
            self._watch(min(running.deadline for running in self._running))

    def _overdue(self, running: Running) -> None:
        if running.stopped is None:
            self._stop(running, Stopped.TIMEOUT)
        else:
            self._abandon(running)

    def _abandon(self, running: Running) -> None:
        name = running.job.name
        log.error("run %s of %s ignored its cancellation; abandoned", running.run.id, name)
        if running.task is not None:
            self._abandoned[running.task] = running.run.id
            running.task.add_done_callback(self._abandoned.pop)
        self._over(running, None)

    def _over(self, running: Running, outcome: Outcome | None) -> None:
        """Tell once: of a task that was cut off before it began, or abandoned, without outcome."""
        if running.is_over:
            return
        running.is_over = True
        self._running.remove(running)
        self.changed.set()
        self._ended(running, outcome)
        self.freed()


def _nobody() -> None:
    """Nobody waits for a slot."""
