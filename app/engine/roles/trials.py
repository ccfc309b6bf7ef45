"""Finding the run that kills its workers, so that it dies alone and the others are done.

A worker that dies leaves all its runs, and one of them may be why: it called `os._exit`, crashed a
C library, took all memory. Nobody can ask it any more. So the runs that were at work are taken over
and begin again together, without a charge: mostly it was a power cut, or somebody's `kill -9`.

    its first worker died      it begins again with the others; but now one is begun after the
                               other, and each tells Redis just before it does
    one more death is fatal    it is a suspect: leased to nobody, until a worker tries it alone
    it died in its trial too   it was the one: a dead letter, `WorkerDied`, with its payload

Those that began last before the crash are tried first. A trial is short: the worker claims nothing
meanwhile, waits a little for the runs it has, and begins the suspect. Once that has ended, whatever
it returned or raised, or has lived for longer than when its worker died, it is no suspect any more,
and the next one's turn comes. One that had lived for minutes goes on beside others after a while:
should the worker die then, it is not charged, but tried again, for twice as long.

Every worker holds trials, one at a time, and leaves as much time between two of them as the last
one took: however many suspects there are, half of all slots are there for others. The first
attempts of a healthy fleet pay nothing for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import anyio

from app.engine.clock import jittered
from app.engine.errors import Unavailable
from app.engine.outcome import Outcome
from app.engine.redis.suspects import Suspect, Suspects
from app.engine.roles.running import Body, Running
from app.engine.roles.slots import Slots
from app.engine.run import Claimed

log = logging.getLogger(__name__)

_LOOK = 1.0  # s between two looks for suspects
_UNSEEN = 0.75  # of a lease, at least, passes before a death is seen: so much less had it lived
_SHORTEST = timedelta(seconds=0.5)  # of a trial
_LONGEST = timedelta(minutes=1)  # of a run's first trial; each further may take twice as long


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where trials are held."""

    slots: Slots
    settled: Callable[[], Awaitable[None]]
    """Waits until no claim is under way that may bring other runs."""
    start: Callable[[Claimed], None]
    """Begins a run there."""


class Trials:
    """Holds trials in one worker."""

    def __init__(
        self,
        suspects: Suspects,
        *,
        worker: str,
        queues: Sequence[str],
        fatal: int,
        sign: timedelta,
        lease: timedelta,
    ) -> None:
        """`fatal`: how many crashes a run dies of. `sign`: how long a sign of life lasts.

        `lease`: how long the lease on a run has to last.
        """
        self._suspects = suspects
        self._worker = worker
        self._queues = queues
        self._fatal = fatal
        self._sign = sign
        self._lease = lease
        self._beginning = asyncio.Lock()
        self._on_trial = ""
        self._doubted = list[Claimed]()

    def takes(self, running: Running) -> bool:
        """Whether this run is not to begin now, but to be tried alone."""
        run = running.run
        is_last = run.crashes >= min(self._fatal, running.job.retry.attempts) - 1
        if not run.crashes or not is_last or run.id == self._on_trial:
            return False
        self._doubted.append(run)
        return True

    def held(self) -> set[str]:
        """The ids of runs that are leased to this worker, and neither begun nor given back yet."""
        return {self._on_trial, *(run.id for run in self._doubted)} - {""}

    def body(self, body: Body) -> Body:
        """The same attempt, which tells Redis that it begins, one run after the other."""

        async def told(running: Running) -> Outcome:
            async with self._beginning:
                await self._tell(running.run)
            return await body(running)

        return told

    async def _tell(self, run: Claimed) -> None:
        try:
            await self._suspects.begin(run)
        except Unavailable as error:
            log.debug("run %s begins untold: %s", run.id, error)

    async def run(self, place: Place) -> None:
        """Look for suspects until cancelled, and try them there; an absent Redis is waited for."""
        while True:
            try:
                await self._give_back()
                while await self._try_one(place):
                    pass
            except Unavailable as error:
                log.debug("trials wait for Redis: %s", error)
            await anyio.sleep(jittered(_LOOK))

    async def _give_back(self) -> None:
        while self._doubted:
            await self._suspects.doubt(self._doubted[0])
            self._doubted.pop(0)

    async def _try_one(self, place: Place) -> bool:
        suspect = await self._suspects.take(self._worker, self._queues, lease=self._lease)
        if suspect is None:
            return False
        run, began = suspect.run, monotonic()
        log.warning("run %s is tried alone: %d workers died with it", run.id, run.crashes)
        with place.slots.closed():
            self._on_trial = run.id
            try:
                await self._quiet(place)
                place.start(run)
            finally:
                self._on_trial = ""
            await self._watch(suspect, place.slots)
        await anyio.sleep(monotonic() - began)  # others have their turn for as long
        return True

    async def _quiet(self, place: Place) -> None:
        """Wait for the other runs to end, or to be so old that none of them kills at once."""
        await place.settled()
        young = self._sign.total_seconds() - place.slots.since_last_start()
        with anyio.move_on_after(max(0.0, young)):
            await place.slots.idle()

    async def _watch(self, suspect: Suspect, slots: Slots) -> None:
        """Wait until it has ended, or gone on for long: then it is acquitted."""
        run = suspect.run
        lived = suspect.lived - _UNSEEN * self._sign if suspect.lived else self._sign
        longest = _LONGEST * (1 << min(run.uncharged - run.crashes, 10))
        length = max(_SHORTEST, min(lived, longest)).total_seconds()
        with anyio.move_on_after(length) as scope:
            await slots.over(run.id)
        if scope.cancelled_caught:
            await self._suspects.acquit(run, is_innocent=lived <= longest)
