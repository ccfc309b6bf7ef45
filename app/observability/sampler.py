"""The sampler: each worker process writes down every minute what it and its machine do.

The rows are of the database, so they outlive the process, and every process sees those of all. What
can't be written now is written a minute later; a worker never waits for it, nor ends because of it.
A worker that leaves in order says so; who leaves without a word has died.
"""

import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from app.observability.machine_sample import Reading, read_machine, sample_between
from app.observability.process import ProcessUse, process_use
from app.observability.readiness import Working
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.samples import Samples, minute_of
from app.storage.sightings import Sighting, Sightings

log = logging.getLogger(__name__)

_PERIOD = 60.0  # s
_GOODBYE = 2.0  # s to say it

T = TypeVar("T")


class Sampler:
    """Writes a process's and its machine's samples."""

    def __init__(
        self,
        worker: Callable[[], Working],
        database: Database,
        home: Path,
        *,
        slots: int,
        now: Now = utc_now,
        period: float = _PERIOD,
    ) -> None:
        """`home` is on the disk that counts; `slots` is how many runs the worker has at once."""
        self._worker = worker
        self._samples = Samples(database, now=now)
        self._sightings = Sightings(database, now=now)
        self._home = home
        self._slots = slots
        self._now = now
        self._period = period

    async def run(self) -> None:
        """Write a sample every period until cancelled, and then a goodbye."""
        try:
            last = await self._look()
            await self._see(last, last)
            while True:
                await anyio.sleep(self._period)
                here = await self._look()
                await self._see(last, here)
                await self._sample(last, here)
                last = here
        finally:
            with anyio.move_on_after(_GOODBYE, shield=True):
                await _if_possible(self._sightings.leave, self._worker().id)

    async def _look(self) -> "_Look":
        machine, process = await run_sync(_read, self._home)
        return _Look(at=self._now(), machine=machine, process=process)

    async def _see(self, before: "_Look", here: "_Look") -> None:
        await _if_possible(
            self._sightings.see,
            Sighting(
                worker=self._worker().id,
                host=socket.gethostname(),
                pid=os.getpid(),
                started_at=datetime.fromtimestamp(here.process.started_at, tz=here.at.tzinfo),
                seen_at=here.at,
                cpu_percent=here.cpu_since(before),
                memory_bytes=here.process.memory_bytes,
                slots=self._slots,
            ),
        )

    async def _sample(self, before: "_Look", here: "_Look") -> None:
        host, minute = socket.gethostname(), minute_of(here.at)
        sample = sample_between(before.machine, here.machine, host=host, minute=minute)
        await _if_possible(self._samples.add_machine, sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    at: datetime
    machine: Reading
    process: ProcessUse

    def cpu_since(self, before: "_Look") -> float:
        """Percent of one processor that the process took."""
        seconds = self.machine.at - before.machine.at
        used = self.process.cpu_seconds - before.process.cpu_seconds
        return round(100 * used / seconds, 1) if seconds > 0 else 0.0


def _read(home: Path) -> tuple[Reading, ProcessUse]:
    return read_machine(home), process_use()


async def _if_possible(write: Callable[[T], Awaitable[object]], value: T, /) -> None:
    """A database that can't be written now will be in a minute, and that is soon enough."""
    try:
        with anyio.CancelScope(shield=True):  # a query cut off leaves a task that never ends
            await write(value)
    except SQLAlchemyError as error:
        log.warning("a sample can't be written: %s", type(error).__name__)
