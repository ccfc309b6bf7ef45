"""Taking runs off the queues, whenever there are free slots.

The most urgent queue comes first. A tenth of the slots, at least one, is never filled from the
less urgent half, so that an urgent run finds a place at once; and every few claims start at a
lower queue, in turn, so that a flooded urgent queue starves nobody. When a claim brings less than
was asked for, the next one waits for a moment, for the next run that is due, or for a slot.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from time import monotonic

import anyio

from app.engine.errors import Unavailable
from app.engine.run import Claim, Claimed, Share
from app.engine.slots import Slots
from app.engine.store import Store

log = logging.getLogger(__name__)

_RESERVED = 10  # one slot in ten is for the more urgent half
_WARY = 30  # s after an unanswered claim: a server that hung may still act on it
_ROTATE = 8  # every eighth claim starts at a lower queue


class Claimer:
    """Claims for one worker."""

    def __init__(
        self,
        store: Store,
        slots: Slots,
        *,
        worker: str,
        queues: Sequence[tuple[str, timedelta]],
        count: int,
        poll: timedelta,
        start: Callable[[Claimed], None],
        mine: Callable[[], Collection[str]],
    ) -> None:
        """`queues`: the most urgent first, each with how long a lease on its runs must last.

        `mine` tells the ids of all runs this worker has and has not committed.
        """
        self._store = store
        self._slots = slots
        self._worker = worker
        self._queues = tuple(queues)
        self._reserved = min(max(1, count // _RESERVED), count - 1) if len(queues) > 1 else 0
        self._poll = poll.total_seconds()
        self._start = start
        self._mine = mine
        self._claims = 0
        self._wary_until = 0.0
        self._loud = logging.WARNING

    async def run(self) -> None:
        """Claim until cancelled; an absent Redis is waited for."""
        while True:
            want, claim = self._slots.free, None
            with anyio.CancelScope(shield=True):  # what an answer brings must not be lost
                if want:
                    claim = await self._claim(want)
            if claim is None or len(claim.runs) < want:
                await self._pause(claim)

    def look_for_ours(self) -> None:
        """Runs may be leased to this worker that no answer brought: the next claims bring them."""
        self._wary_until = monotonic() + _WARY

    async def _claim(self, want: int) -> Claim | None:
        self._claims += 1
        mine = self._mine() if monotonic() < self._wary_until else None
        try:
            claim = await self._store.claim(self._worker, want, self.shares(want), mine=mine)
        except Unavailable as error:
            self.look_for_ours()
            log.log(self._loud, "claiming waits for Redis: %s", error)
            self._loud = logging.DEBUG  # once is enough
            return None
        self._loud = logging.WARNING
        for run in claim.runs:
            self._start(run)
        return claim

    def shares(self, want: int) -> list[Share]:
        """What this claim may take of each queue, in the order to ask them."""
        urgent = (len(self._queues) + 1) // 2
        spare = max(0, want - self._reserved)
        shares = [
            Share(queue=name, most=want if place < urgent else spare, lease=lease)
            for place, (name, lease) in enumerate(self._queues)
        ]
        return shares[(first := self._first()) :] + shares[:first]

    def _first(self) -> int:
        turn, left = divmod(self._claims, _ROTATE)
        others = len(self._queues) - 1
        return 1 + turn % others if left == 0 and others else 0

    async def _pause(self, claim: Claim | None) -> None:
        """Wait for the poll, the next due run or, when all are taken, a free slot."""
        wait = self._poll
        if claim is not None and claim.next_due is not None:
            due = (claim.next_due - self._store.clock.now()).total_seconds()
            wait = min(wait, max(0.001, due))
        with anyio.move_on_after(wait):
            if self._slots.free:
                await anyio.sleep(wait)
            else:
                self._slots.changed.clear()
                await self._slots.changed.wait()
