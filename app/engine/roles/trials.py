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
and the next one's turn comes. Every worker holds trials, one at a time. The first attempts of a
healthy fleet pay nothing for all this.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import anyio

from app.engine.clock import jittered
from app.engine.errors import Unavailable
from app.engine.outcome import Outcome
from app.engine.redis.suspects import Suspect, Suspects
from app.engine.roles.slots import Body, Running, Slots
from app.engine.run import Claimed

log = logging.getLogger(__name__)

_LOOK = 0.5  # s between two looks for suspects
_UNSEEN = 0.75  # of a lease, at least, passes before a death is seen: so much less had it lived
_SHORTEST = timedelta(seconds=0.5)  # of a trial


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
        run = suspect.run
        log.warning("run %s is tried alone: %d workers died with it", run.id, run.crashes)
        with place.slots.closed():
            with anyio.move_on_after(self._sign.total_seconds()):
                await place.settled()
                await place.slots.idle()
            self._on_trial = run.id
            place.start(run)
            self._on_trial = ""
            await self._watch(suspect, place.slots)
        return True

    async def _watch(self, suspect: Suspect, slots: Slots) -> None:
        """Wait until it has ended, or lived for longer than when its worker died."""
        lived = suspect.lived - _UNSEEN * self._sign if suspect.lived else self._sign
        with anyio.move_on_after(max(_SHORTEST, lived).total_seconds()) as scope:
            await slots.over(suspect.run.id)
        if scope.cancelled_caught:
            await self._suspects.acquit(suspect.run)
