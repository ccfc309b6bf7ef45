"""Starting an arq project's cron jobs, by arq's rules: what was missed while no worker ran, is.

A tick's run is put on the queue a moment before it is due, under an id of its own: of several
workers that do so, the first one does it. A job that isn't `unique` runs once for each worker.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import anyio
from arq.cron import CronJob

from app.engine.clock import to_ms
from app.engine.dropin.cron import Ticks
from app.engine.errors import Unavailable
from app.engine.redis.store import Store
from app.engine.run import NewRun, new_id

log = logging.getLogger(__name__)

_AHEAD = timedelta(seconds=1)  # so that a tick starts in time, whoever runs it
_LOOK = 0.2  # s between two looks at the clock; a look costs no round trip until a tick is near


@dataclass(slots=True)
class _Next:
    """A cron job, its next tick, and the run of that."""

    job: CronJob
    ticks: Ticks
    at: datetime
    run: NewRun


class Ticker:
    """Fires the ticks of cron jobs."""

    def __init__(
        self,
        cron_jobs: Sequence[CronJob],
        zone: tzinfo,
        store: Store,
        *,
        queue: str,
        seal: Callable[[str], bytes],
    ) -> None:
        """`seal` makes a payload that calls a job. Raises `DeclarationError` for an empty cron."""
        self._cron_jobs = [(job, Ticks.of(job, zone)) for job in cron_jobs]
        self._store = store
        self._queue = queue
        self._seal = seal
        self._next: list[_Next] = []

    async def begin(self) -> None:
        """Start what is to run at startup; what is due from now on waits for `run`."""
        now = await self._store.server_time()
        self._next = [self._after(now, job, ticks) for job, ticks in self._cron_jobs]
        starting = [job for job, _ in self._cron_jobs if job.run_at_startup]
        await self._store.enqueue([self._run_at(now, job) for job in starting])

    async def run(self) -> None:
        """Fire what is near until cancelled; an absent Redis is waited for."""
        while True:
            try:
                await self.fire_due()
            except Unavailable as error:
                log.debug("cron jobs wait for Redis: %s", error)
            await anyio.sleep(_LOOK)

    async def fire_due(self) -> None:
        """Look once at every cron job; ticks that were missed meanwhile are fired as one."""
        near = self._store.clock.now() + _AHEAD
        for place, due in enumerate(self._next):
            if due.at <= near:
                await self._store.enqueue([due.run])
                self._next[place] = self._after(max(due.at, near - _AHEAD), due.job, due.ticks)

    def _after(self, moment: datetime, job: CronJob, ticks: Ticks) -> _Next:
        at = ticks.next_after(moment)
        return _Next(job, ticks, at, self._run_at(at, job))

    def _run_at(self, at: datetime, job: CronJob) -> NewRun:
        tick = f"{job.name}:{to_ms(at)}" if job.unique else new_id()
        return NewRun(
            id=job.job_id or tick, queue=self._queue, payload=self._seal(job.name), at_ms=to_ms(at)
        )
