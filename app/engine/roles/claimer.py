"""Taking runs off the queues, whenever there are free slots.

What a claim may take of which queue, `urgency` says. While claims bring all they ask for, two are
under way, each for half of the slots at most: Redis and Python both work. A claim that brings less
is the last for now: the next one waits until the server tells that a queue has changed, until this
worker has written to one itself, or for the next run that is due. The sweep every `poll` is a net
below: it finds what nobody tells of, such as the runs of a worker that died. Where the server
refuses to tell, looking often takes its place.

An answer that was lost may have brought runs. For a while after it claims go one at a time, and
each names all runs this worker knows it has: what else is leased to it comes again. And for one
lease after the connection broke nothing is taken over from others: they may be on their way back.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from time import monotonic

import anyio

from app.engine.clock import jittered
from app.engine.errors import Unavailable
from app.engine.redis.store import Store
from app.engine.roles.slots import Slots
from app.engine.roles.urgency import Urgency
from app.engine.run import Claim, Claimed, Share

log = logging.getLogger(__name__)

_WARY = 30  # s after an unanswered claim: a server that hung may still act on it
_SHORTEST_BACK, _LONGEST_BACK = 0.002, 0.05  # s to leave a wake to others, when they were quicker
_BLIND_POLL = 0.5  # s between two looks where the server does not tell of changes
_CURSOR = 0.5  # s, as in claim.lua: then a claim looks at the head of its queues again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # s between two tries to claim while Redis is away


class Claimer:
    """Claims for one worker."""

    def __init__(
        self,
        store: Store,
        slots: Slots,
        *,
        worker: str,
        urgency: Urgency,
        most: int,
        poll: timedelta,
        patience: timedelta,
        start: Callable[[Claimed], None],
        mine: Callable[[], Collection[str]],
    ) -> None:
        """`most`: runs in one claim. `mine`: the ids of all runs here that are not committed.

        `patience`: how long others may take to come back after the connection broke.
        """
        self._store = store
        self._slots = slots
        self._worker = worker
        self._urgency = urgency
        self._poll = poll.total_seconds()
        self._patience = patience.total_seconds()
        self._start = start
        self._mine = mine
        self._most = most
        self._asked = 0
        self._under_way: list[Sequence[Share]] = []
        self._handing_out = asyncio.Lock()
        self._plenty = asyncio.Event()
        self._woken = asyncio.Event()
        self._is_theirs = False
        self._back = 0.0
        self._absent = 0.0
        self._is_blind = False
        self._wary_until = 0.0
        self._unseen: set[str] = set()
        self._patient_until = 0.0
        self._is_cut_off = False

    async def run(self) -> None:
        """Claim until cancelled; an absent Redis is waited for."""
        with self._store.listening(changed=self._changed, wrote=self._woken.set, lost=self._lost):
            async with anyio.create_task_group() as group:
                group.start_soon(self._lead)
                group.start_soon(self._follow)

    def look_for_ours(self) -> None:
        """Runs may be leased to this worker that no answer brought: the next claims bring them."""
        self._be_wary()
        self._woken.set()

    def _be_wary(self) -> None:
        """For a while, and until each queue was seen to its end."""
        self._wary_until = monotonic() + _WARY
        self._unseen = set(self._urgency.queues)

    @property
    def _is_wary(self) -> bool:
        return bool(self._unseen) or monotonic() < self._wary_until

    def _see(self, claim: Claim, want: int, shares: Sequence[Share]) -> None:
        """Of which queues this claim, which looked for ours from the head on, has met the last."""
        self._unseen -= {run.queue for run in claim.runs if not run.is_counted}  # behind all ours
        if len(claim.runs) < want:
            taken = Counter(run.queue for run in claim.runs)
            self._unseen -= {each.queue for each in shares if taken[each.queue] < each.most}

    def _lost(self) -> None:
        self._is_cut_off = True
        self._be_wary()
        self._woken.set()

    def _back_again(self) -> None:
        self._is_cut_off = False
        self._patient_until = monotonic() + self._patience

    @property
    def _is_patient(self) -> bool:
        return self._is_cut_off or monotonic() < self._patient_until

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
        shares = self._urgency.shares(self._slots.free - self._asked, self._busy)
        self._asked += want
        self._under_way.append(shares)
        self._woken.clear()
        claim = None
        with anyio.CancelScope(shield=True):  # what an answer brings must not be lost
            claim = await self._answered(want, shares)
            async with self._handing_out:
                self._asked -= want
                self._under_way.remove(shares)
                await self._hand_out(claim.runs if claim else ())
        if claim and len(claim.runs) == want and not self._is_wary:
            self._plenty.set()
        else:
            self._plenty.clear()
        return claim

    def _busy(self, queue: str) -> int:
        """How many slots a queue has, or may be about to get."""
        asked = (each.most for shares in self._under_way for each in shares if each.queue == queue)
        return self._slots.busy_with(queue) + sum(asked)

    async def _hand_out(self, runs: Sequence[Claimed]) -> None:
        """Start what came; what came at the same time waits until this is at work.

        Else two answers that arrived together would be asked for together again, and Redis and
        Python would take turns for good, where they can work at the same time.
        """
        for run in runs:
            self._start(run)
        self._slots.changed.set()  # there may be room again
        await asyncio.sleep(0)  # a run that does nothing has ended by then

    async def _answered(self, want: int, shares: Sequence[Share]) -> Claim | None:
        mine = self._mine() if self._is_wary else None
        try:
            claim = await self._store.claim(
                self._worker, want, shares, mine=mine, may_take_over=not self._is_patient
            )
        except Unavailable as error:
            self._lost()
            level = logging.DEBUG if self._absent else logging.WARNING  # once is enough
            log.log(level, "claiming waits for Redis: %s", error)
            self._absent = self._absent or _FIRST_PAUSE
            return None
        self._absent = 0.0
        if mine is not None:
            self._see(claim, want, shares)
        if self._is_cut_off:
            self._back_again()
        self._say_if_blind(claim)
        return claim

    def _say_if_blind(self, claim: Claim) -> None:
        if not claim.is_told and not self._is_blind:
            log.warning("the server does not tell of changes; looking every %s s", _BLIND_POLL)
        self._is_blind = not claim.is_told

    async def _wait_for_redis(self) -> None:
        """Longer every time, and no two workers alike."""
        await anyio.sleep(jittered(self._absent))
        self._absent = min(2 * self._absent, _LONGEST_PAUSE)

    async def _pause(self, claim: Claim, *, is_theirs: bool) -> None:
        """Wait for a change, for the next due run, or for the next look."""
        longest = self._longest_pause(claim, is_theirs=is_theirs)
        alarm = asyncio.get_running_loop().call_later(longest, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            alarm.cancel()
        if self._is_theirs and self._back:
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
