"""The recorder: reads the engine's event stream into the history of runs.

Every worker process hosts one, and one at a time is at work: it holds a short lease, which the
others ask for now and then. What it reads it records in one transaction with its position, and
only then confirms. Killed in between, it leaves the entries unconfirmed; its successor reads those
first, and the position tells which of them are recorded already.

A hole in the numbers need not be a gap. The entry may have been read by a recorder that is stuck
(a laptop asleep, a process stopped) and has lost its lease since; so before a hole is counted, the
unconfirmed entries are looked through once more.

While Redis or the database is out of reach, the recorder waits and tries again. Nothing is lost
meanwhile but what the stream is too short to hold, and that is counted.
"""

import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from secrets import token_hex
from time import monotonic

import anyio

from app.engine import Batch, Events, Unavailable, seconds
from app.storage.position import Position
from app.storage.runs import Runs

log = logging.getLogger(__name__)

_LEASE = seconds(10)
_RENEWALS = 5  # in one lease: a recorder waits no longer than a fifth of it for the next event
_LONGEST_WAIT = seconds(1)  # as long as the stream lets anybody wait
_AT_ONCE = timedelta(milliseconds=1)  # the shortest wait that the stream knows
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0  # s between two tries
_LAST_PASS = 3.0  # s: how long a recorder that stops may take for what happened last
_LETTING_GO = 1.0  # s: and to tell Redis that it has stopped


class Recorder:
    """Keeps the history of runs, as long as it runs and no other recorder does."""

    def __init__(self, events: Events, runs: Runs, *, lease: timedelta = _LEASE) -> None:
        self._events = events
        self._runs = runs
        self._lease = lease
        self._name = token_hex(8)
        self._position = Position()
        self._is_at_work = False

    async def run(self) -> None:
        """Record what happens until cancelled, the last of it included; outages are waited out."""
        outage = _Outage()
        try:
            while True:
                try:
                    await self._one_turn(min(self._lease / _RENEWALS, _LONGEST_WAIT))
                except Exception as error:  # whatever it is, a worker outlives it
                    self._is_at_work = False
                    await outage.wait(error)
                else:
                    outage.is_over()
        finally:
            with anyio.move_on_after(_LAST_PASS, shield=True):
                async with anyio.create_task_group() as last:
                    last.start_soon(self._finish)  # Python 3.11.2 can't wait in a cancelled task

    async def drain(self) -> None:
        """Record all there is, and return; waits for another recorder to stop or die.

        Raises what it meets: it is for tests, which must know.
        """
        try:
            with anyio.fail_after(3 * self._lease.total_seconds()):
                while not await self._start():
                    await anyio.sleep(self._lease.total_seconds() / 20)
            await self._record_the_rest()
        finally:
            await self._let_go()

    async def _one_turn(self, wait: timedelta) -> None:
        if await self._start():
            await self._record_some(wait)
        else:
            await anyio.sleep(self._lease.total_seconds() / 2 * random.uniform(0.5, 1.0))

    async def _start(self) -> bool:
        """Take or keep the lease; False while another recorder has it."""
        if not await self._events.hold(self._name, self._lease):
            self._is_at_work = False
            return False
        if not self._is_at_work:
            await self._events.join()
            with anyio.CancelScope(shield=True):  # see _keep
                self._position = await self._runs.position()
            await self._keep_unconfirmed()
            self._is_at_work = True
        return True

    async def _record_some(self, wait: timedelta) -> bool:
        """Record what comes within `wait`; False if nothing does."""
        batches = await self._events.read(within=wait)
        if self._position.gaps_among(batches):
            await self._keep_unconfirmed()  # these batches are among them
        elif batches:
            await self._keep(batches)
        return bool(batches)

    async def _record_the_rest(self) -> None:
        while await self._start() and await self._record_some(_AT_ONCE):
            pass

    async def _finish(self) -> None:
        """Record what the worker did last; what can't be recorded now waits for the next one."""
        self._is_at_work = False  # what a cancelled read took is unconfirmed
        try:
            await self._record_the_rest()
        except Exception as error:
            log.warning("the last events are left to the next recorder: %s", error)
        await self._let_go()

    async def _keep_unconfirmed(self) -> None:
        while left := await self._events.unconfirmed():
            await self._keep(left)

    async def _keep(self, batches: Sequence[Batch]) -> None:
        gaps = self._position.gaps_among(batches)
        with anyio.CancelScope(shield=True):  # a query cut off leaves a task behind that never ends
            self._position = await self._runs.record(batches)
        await self._events.confirm([batch.entry_id for batch in batches])
        for gap in gaps:
            log.warning("the history misses %d events, up to %s", gap.missed, gap.until)

    async def _let_go(self) -> None:
        """Tell the others that they may begin; if that fails, the lease ends by itself."""
        self._is_at_work = False
        with anyio.move_on_after(_LETTING_GO, shield=True), suppress(Unavailable):
            await self._events.let_go(self._name)


class _Outage:
    """Waits longer after each failure in a row, and says once that it began and that it is over."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._pause = _FIRST_PAUSE

    async def wait(self, error: Exception) -> None:
        """Pause before the next try."""
        if self._since is None:
            self._since = monotonic()
            log.warning("the history is not being recorded, trying again: %s", error)
        await anyio.sleep(self._pause * random.uniform(0.5, 1.0))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def is_over(self) -> None:
        """A try has succeeded."""
        if self._since is not None:
            log.info("the history is being recorded again, after %.1f s", monotonic() - self._since)
        self._since, self._pause = None, _FIRST_PAUSE
