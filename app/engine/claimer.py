"""Taking runs off the queues, whenever there are free slots.

The most urgent queue comes first. A tenth of the slots, at least one, is never filled from the
less urgent half, so that an urgent run finds a place at once; and every few claims start at a
lower queue, in turn, so that a flooded urgent queue starves nobody.

While claims bring all they ask for, two are under way, each for half of the slots at most: Redis
and Python both work. A claim that brings less is the last for now: the next one waits until the
server tells that a queue has changed, until this worker has written to one itself, or for the next
run that is due. The sweep every `poll` is a net below: it finds what nobody tells of, such as the
runs of a worker that died. Where the server refuses to tell, looking often takes its place.

An answer that was lost may have brought runs. For a while after it claims go one at a time, and
each names all runs this worker knows it has: what else is leased to it comes again.
"""

import asyncio
import logging
import random
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
_SHORTEST_BACK, _LONGEST_BACK = 0.002, 0.05  # s to leave a wake to others, when they were quicker
_BLIND_POLL = 0.5  # s between two looks where the server does not tell of changes
_CURSOR = 0.5  # s, as in claim.lua: then a claim looks at the head of its queues again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # s between two tries to claim while Redis is away
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
        self._most = max(1, count // 2)
        self._asked = 0
        self._plenty = asyncio.Event()
        self._woken = asyncio.Event()
        self._is_theirs = False
        self._back = 0.0
        self._absent = 0.0
        self._is_blind = False
        self._claims = 0
        self._wary_until = 0.0

    async def run(self) -> None:
        """Claim until cancelled; an absent Redis is waited for."""
        with self._store.listening(changed=self._changed, wrote=self._woken.set):
            async with anyio.create_task_group() as group:
                group.start_soon(self._lead)
                group.start_soon(self._follow)

    def look_for_ours(self) -> None:
        """Runs may be leased to this worker that no answer brought: the next claims bring them."""
        self._be_wary()
        self._woken.set()

    def _be_wary(self) -> None:
        self._wary_until = monotonic() + _WARY

    @property
    def _is_wary(self) -> bool:
        return monotonic() < self._wary_until

    def _changed(self) -> None:
        self._is_theirs = True
        self._woken.set()

    async def _lead(self) -> None:
        """Claim, and pause whenever a claim brought less than was asked for."""
        while True:
            want = await self._room()
            is_theirs, self._is_theirs = self._is_theirs, False
            claim = await self._claim(want)
            if claim is None:
                await self._wait_for_redis()
            elif len(claim.runs) < want:
                self._step_back(claim, is_theirs=is_theirs)
                await self._pause(claim, is_theirs=is_theirs)

    async def _follow(self) -> None:
        """While there is plenty, have a second claim under way."""
        while True:
            await self._plenty.wait()
            want = await self._room()
            if self._plenty.is_set():
                await self._claim(want)
                if not self._plenty.is_set():
                    self._woken.set()  # what this claim saw last, the leader has not

    async def _room(self) -> int:
        """Wait for a slot that nobody has asked for; how many, half of all at most.

        While wary, wait for the other claim too: what it is about to bring is not in `mine`.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()  # a claim is shielded: here is where it ends
        while (room := self._slots.free - self._asked) <= 0 or (self._is_wary and self._asked):
            self._slots.changed.clear()
            await self._slots.changed.wait()
        return min(room, self._most)

    async def _claim(self, want: int) -> Claim | None:
        """One claim and what it brings; None when there was no answer."""
        free = self._slots.free - self._asked
        self._asked += want
        self._woken.clear()
        claim = None
        with anyio.CancelScope(shield=True):  # what an answer brings must not be lost
            claim = await self._answered(want, free)
        self._asked -= want
        for run in claim.runs if claim else ():
            self._start(run)
        self._slots.changed.set()  # there may be room again
        if claim and len(claim.runs) == want and not self._is_wary:
            self._plenty.set()
        else:
            self._plenty.clear()
        return claim

    async def _answered(self, want: int, free: int) -> Claim | None:
        self._claims += 1
        mine = self._mine() if self._is_wary else None
        try:
            claim = await self._store.claim(self._worker, want, self.shares(free), mine=mine)
        except Unavailable as error:
            self._be_wary()
            level = logging.DEBUG if self._absent else logging.WARNING  # once is enough
            log.log(level, "claiming waits for Redis: %s", error)
            self._absent = self._absent or _FIRST_PAUSE
            return None
        self._absent = 0.0
        self._say_if_blind(claim)
        return claim

    def _say_if_blind(self, claim: Claim) -> None:
        if not claim.is_told and not self._is_blind:
            log.warning("the server does not tell of changes; looking every %s s", _BLIND_POLL)
        self._is_blind = not claim.is_told

    def shares(self, free: int) -> list[Share]:
        """What of these slots each queue may take, in the order to ask them."""
        urgent = (len(self._queues) + 1) // 2
        spare = max(0, free - self._reserved)
        shares = [
            Share(queue=name, most=free if place < urgent else spare, lease=lease)
            for place, (name, lease) in enumerate(self._queues)
        ]
        return shares[(first := self._first()) :] + shares[:first]

    def _first(self) -> int:
        turn, left = divmod(self._claims, _ROTATE)
        others = len(self._queues) - 1
        return 1 + turn % others if left == 0 and others else 0

    async def _wait_for_redis(self) -> None:
        """Longer every time, and no two workers alike."""
        await anyio.sleep(self._absent * random.uniform(0.5, 1.5))
        self._absent = min(2 * self._absent, _LONGEST_PAUSE)

    async def _pause(self, claim: Claim, *, is_theirs: bool) -> None:
        """Wait for a change, for the next due run, or for the next look."""
        with anyio.move_on_after(self._longest_pause(claim, is_theirs=is_theirs)):
            await self._woken.wait()
            if self._is_theirs:
                await anyio.sleep(self._back * random.uniform(0.5, 1))

    def _longest_pause(self, claim: Claim, *, is_theirs: bool) -> float:
        wait = min(self._poll, _BLIND_POLL) if self._is_blind else self._poll
        if is_theirs and not claim.is_all:
            wait = min(wait, _CURSOR)  # the change may be where this claim did not look
        if claim.next_due is None:
            return wait
        due = (claim.next_due - self._store.clock.now()).total_seconds()
        return min(wait, max(0.001, due))

    def _step_back(self, claim: Claim, *, is_theirs: bool) -> None:
        """A change that brought nothing: others were quicker. Leave them the next for longer."""
        if claim.runs:
            self._back = 0.0
        elif is_theirs:
            self._back = min(max(2 * self._back, _SHORTEST_BACK), _LONGEST_BACK)
