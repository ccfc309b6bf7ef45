"""The relay: brings what was written in the outbox to its queues, each run once.

Every worker process hosts one, and one at a time is at work: it takes a lease for each round, and
only when there is something to bring, so an idle relay asks nothing but its database. A round reads
some rows, puts their runs on their queues and deletes the rows. Killed at any step of it, it leaves
them to the next, which finds by their marks what was brought; a relay that stood still meanwhile
is refused by Redis (the engine's Handover tells how). No transaction is open while Redis is asked.

It wakes when this process has committed something, and looks for what others wrote every second.
While Redis or the database is out of reach it waits, and nothing is lost. A run that can't be
brought, since its queue is full or nobody has it any more, stays and says why, in the log and in
the health check, and the others go on; `steward outbox drop` gives up what never will be. A row
that was just committed is on the disk before its run is in Redis, and that it is gone is there
before its mark goes: a power cut leaves no run without its transaction, and has none run again.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import accumulate
from time import monotonic

import anyio
from sqlalchemy.exc import SQLAlchemyError

from app.engine import (
    Brought,
    Client,
    Handover,
    NewRun,
    OutOfMemory,
    Overtaken,
    Unavailable,
    seconds,
)
from app.storage.outbox import Outbox, Waiting

log = logging.getLogger(__name__)

ROUND = 200  # rows at once: some milliseconds in Redis
ROUND_BYTES = 2**20  # and with more than one of them no more than this
_LEASE = seconds(10)
_LOOK = seconds(1)
_SOON = seconds(0.1)  # while another relay is at work, which may not have seen what we saw
_FIRST_PAUSE, _LONGEST_PAUSE = seconds(0.2), seconds(10)  # between two tries
_LAST_ROUNDS = 3.0  # s: how long a relay that stops may take for what was written last
_WHY = {
    Brought.NO_QUEUE: "what has its queue's name in Redis is no queue",
    Brought.NO_ROOM: "its queue is full",
}
_LETTING_GO = 1.0  # s: and to tell Redis that it has stopped


class Relay:
    """Empties one outbox, as long as it runs."""

    def __init__(
        self, outbox: Outbox, client: Client, *, queues: Collection[str], lease: timedelta = _LEASE
    ) -> None:
        """`queues`: those that somebody has declared. `lease`: how long a step may take."""
        self._outbox = outbox
        self._client = client
        self._queues = frozenset(queues)
        self._lease = lease
        self._outage = _Outage()

    async def run(self) -> None:
        """Bring what is written until cancelled, the last of it too; outages are waited out."""
        try:
            while True:
                await self._outbox.written(within=await self._rounds())
        finally:
            with anyio.move_on_after(_LAST_ROUNDS, shield=True):
                await self._rounds()

    async def is_needed(self) -> bool:
        """Whether anything waits to be brought now."""
        return bool(await self._next(1))

    async def has_more(self) -> bool:
        """The same, for a burst: a database that can't be asked does not hold up its end."""
        with suppress(SQLAlchemyError):
            return await self.is_needed()
        return False

    async def round(self) -> bool:
        """Bring some; False while another relay is at work."""
        handover, done, is_ours = Handover(self._client.store, lease=self._lease), set[str](), True
        try:
            is_ours = await handover.begin()
            if is_ours:
                done |= await self._hand_over(handover)
        finally:
            if is_ours:
                await _end(handover, done)
        return is_ours

    async def _rounds(self) -> timedelta:
        """Bring all there is; returns how long to wait before another look."""
        try:
            while await self.is_needed():
                if not await self.round():
                    return _SOON
        except Overtaken as error:
            log.warning("the outbox is read anew: %s", error)
            return _SOON
        except Exception as error:  # whatever it is, a worker outlives it
            return self._outage.next_pause(error)
        self._outage.is_over()
        return _LOOK

    async def _hand_over(self, handover: Handover) -> set[str]:
        """Bring some rows and delete them; returns the marks of those that are gone."""
        rows = await self.read()
        runs, troubles = self._sorted(rows)
        brought = set[str]()
        if runs:
            await self._outbox.make_last()
            brought |= await _Bringing(self._client, handover, runs, troubles).done()
        await self.delete(brought)
        for row in rows:
            if row.mark in troubles:
                await self._put_off(row, troubles[row.mark])
        return brought

    async def read(self) -> Sequence[Waiting]:
        """The rows of one round."""
        rows = await self._next(ROUND)
        sizes = accumulate(len(each.kept) for each in rows)
        fitting = [row for row, size in zip(rows, sizes, strict=True) if size <= ROUND_BYTES]
        return fitting or rows[:1]

    async def _next(self, most: int) -> list[Waiting]:
        rows = list[Waiting]()
        with anyio.CancelScope(shield=True):  # a query cut off leaves a task that never ends
            rows += await self._outbox.next(most=most)
        return rows

    async def delete(self, marks: Iterable[str]) -> None:
        """The rows that are brought."""
        with anyio.CancelScope(shield=True):
            await self._outbox.brought(marks)

    def _sorted(self, rows: Sequence[Waiting]) -> tuple[dict[str, NewRun], dict[str, str]]:
        """The runs that may be brought, and what is the matter with the others."""
        runs, troubles = dict[str, NewRun](), dict[str, str]()
        for row in rows:
            try:
                runs[row.mark] = row.run()
            except ValueError as error:
                troubles[row.mark] = str(error)
            if row.mark in runs and row.queue not in self._queues:  # this release gave it up
                del runs[row.mark]
                troubles[row.mark] = f"no queue is called {row.queue!r}"
        return runs, troubles

    async def _put_off(self, row: Waiting, trouble: str) -> None:
        level = logging.DEBUG if row.tries else logging.WARNING  # once is enough
        log.log(level, "run %s of %s can't be enqueued: %s", row.run_id, row.job, trouble)
        with anyio.CancelScope(shield=True):
            await self._outbox.put_off(row, trouble)


async def _end(handover: Handover, done: Iterable[str]) -> None:
    """If it can't be said that it is over, the lease ends by itself, and so do the marks."""
    with anyio.move_on_after(_LETTING_GO, shield=True), suppress(Unavailable):
        await handover.end(done)


class _Bringing:
    """One round's runs on their way to Redis; what can't be brought tells why in `troubles`."""

    def __init__(
        self,
        client: Client,
        handover: Handover,
        runs: dict[str, NewRun],
        troubles: dict[str, str],
    ) -> None:
        self._client = client
        self._handover = handover
        self._runs = runs
        self._troubles = troubles

    async def done(self) -> set[str]:
        """The marks of those that are on their queues; raises `Unavailable` when Redis is."""
        try:
            return self._judged(await self._handover.bring(self._runs))
        except Unavailable:
            await self._client.ping()  # if that fails too, no run is to blame
            return await self._again()

    async def _again(self) -> set[str]:
        """The same, once it may be a run's fault, and not just a lost answer."""
        try:
            return self._judged(await self._handover.bring(self._runs))
        except OutOfMemory:
            raise
        except Unavailable as error:
            if len(self._runs) > 1:
                return await self._one_by_one()
            self._troubles |= dict.fromkeys(self._runs, str(error))
            return set()

    async def _one_by_one(self) -> set[str]:
        """The same, so that one keeps none of the others; raises when all of them fail."""
        done, troubles = set[str](), dict[str, str]()
        for mark, run in self._runs.items():
            alone = _Bringing(self._client, self._handover, {mark: run}, troubles)
            done |= await alone._again()
        if not done:
            raise Unavailable(next(iter(troubles.values())))
        self._troubles |= troubles
        return done

    def _judged(self, answers: dict[str, Brought]) -> set[str]:
        self._troubles |= {mark: _WHY[each] for mark, each in answers.items() if each in _WHY}
        return {mark for mark in answers if mark not in self._troubles}


class _Outage:
    """Waits longer after each failure in a row, and says once that it began and that it is over."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._pause = _FIRST_PAUSE

    def next_pause(self, error: Exception) -> timedelta:
        """How long to wait before the next try."""
        if self._since is None:
            self._since = monotonic()
            said = getattr(error, "orig", error)  # a database's error, without the row's values
            log.warning("the outbox waits, trying again: %s", said)
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        return pause

    def is_over(self) -> None:
        """A try has succeeded."""
        if self._since is not None:
            log.info("the outbox is emptied again, after %.1f s", monotonic() - self._since)
        self._since, self._pause = None, _FIRST_PAUSE
