"""Taking runs off the queues, whenever there are free slots.

What a claim may take of which queue, `urgency` says, and how many runs beyond the free slots,
`ahead`. While claims bring all they ask for, two are under way, each for half of what may be here:
Redis and Python both work. A claim that brings less is the last for now: the `pacer` knows when to
claim again. What to make of answers that were lost, `doubts` knows.

A worker that runs nothing and finds nothing leaves an offer with its last claim: whoever enqueues
the next plain run leases it to this worker, and the server tells it of that on this connection, a
claim sooner. The next claim withdraws the offer first; what was handed over until then has arrived
before its answer. So an offer is open only while nothing runs here: no job can block the loop while
a run is on its way, and there is always a slot for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta

import anyio

from app.engine.clock import jittered
from app.engine.errors import Unavailable
from app.engine.redis.steps import Listener
from app.engine.redis.store import Store
from app.engine.roles.ahead import Ahead
from app.engine.roles.doubts import Doubts
from app.engine.roles.pacer import Pacer
from app.engine.roles.slots import Slots
from app.engine.roles.urgency import Urgency
from app.engine.run import Claim, Claimed, Share

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # s between two tries to claim while Redis is away
_LOOKS = 4  # in one lease, at least: whether Redis is back
_LAST_WORD = 1.0  # s to withdraw an offer when it ends; an offer that stays ends by itself


class Claimer:
    """Claims for one worker."""

    def __init__(
        self,
        store: Store,
        slots: Slots,
        *,
        worker: str,
        urgency: Urgency,
        ahead: Ahead,
        poll: timedelta,
        patience: timedelta,
        fatal: int = 3,
        mine: Callable[[], Collection[str]],
        show: Callable[[], Awaitable[None]],
    ) -> None:
        """`mine`: the ids of all runs here that are not committed.

        `patience`: how long others may take to come back after the connection broke. `fatal`: how
        many crashes a run dies of. `show` sees first that the worker has its sign of life: else
        others take at once what it claims.
        """
        self._store = store
        self._slots = slots
        self._worker = worker
        self._urgency = urgency
        self._absences = max(_FIRST_PAUSE, min(_LONGEST_PAUSE, patience.total_seconds() / _LOOKS))
        self._fatal = fatal
        self._mine = mine
        self._show = show
        self._ahead = ahead
        self._pacer = Pacer(store.clock, poll=poll)
        self._doubts = Doubts(urgency.queues, patience=patience)
        self._asked = 0
        self._under_way: list[Sequence[Share]] = []
        self._handing_out = asyncio.Lock()
        self._plenty = asyncio.Event()
        self._absent = 0.0
        self._offer_for = 2 * poll  # the next claim comes sooner
        self._hears_of_runs = False
        self._is_offering = False

    async def run(self) -> None:
        """Claim until cancelled; an absent Redis is waited for."""
        listener = Listener(
            worker=self._worker,
            changed=self._pacer.changed,
            wrote=self._pacer.wake,
            lost=self._lost,
            handed=self._handed,
        )
        with self._store.listening(listener):
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._lead)
                    group.start_soon(self._follow)
            finally:
                with anyio.move_on_after(_LAST_WORD, shield=True):
                    await self._withdraw()
                self._ahead.give_back()

    async def settled(self) -> None:
        """Wait until nothing is under way that may bring runs: no claim, and no offer of ours."""
        while self._asked:
            self._slots.changed.clear()
            await self._slots.changed.wait()
        self._ahead.give_back()
        await self._withdraw()

    def look_for_ours(self) -> None:
        """Runs may be leased to this worker that no answer brought: the next claims bring them."""
        self._doubts.rise()
        self._pacer.wake()

    def _lost(self) -> None:
        self._doubts.lost()
        self._pacer.wake()

    def _handed(self, run_id: str, queue: str, payload: bytes) -> None:
        """Start a run that was handed over; one that is here already was told of twice."""
        self._is_offering = False
        self._pacer.handed()
        if run_id not in self._mine():
            self._ahead.add(Claimed(id=run_id, queue=queue, payload=payload, worker=self._worker))

    async def _withdraw(self) -> None:
        """Take the offer back; what is handed over until then is started here."""
        if self._is_offering:
            try:
                await self._store.withdraw(self._worker, self._urgency.queues)
                self._is_offering = False
            except Unavailable as error:
                log.debug("the offer was not withdrawn: %s", error)

    async def _lead(self) -> None:
        """Claim, and pause whenever a claim brought less than was asked for."""
        while True:
            want, free = await self._room()
            self._pacer.begin()
            claim = await self._claim(want, free)
            if claim is None:
                await self._wait_for_redis()
            elif len(claim.runs) < want:
                await self._pacer.pause(claim)

    async def _follow(self) -> None:
        """While there is plenty, have a second claim under way."""
        while True:
            await self._plenty.wait()
            want, free = await self._room()
            if self._plenty.is_set():
                await self._claim(want, free)
                if not self._plenty.is_set():
                    self._pacer.wake()  # what this claim saw last, the leader has not

    async def _room(self) -> tuple[int, int]:
        """Wait until more runs may be asked for; how many at once, and in all.

        While wary, wait for the other claim too: what it is about to bring is not in `mine`.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()  # a claim is shielded: here is where it ends
        while (free := self._free()) <= 0 or self._waits_for_the_other:
            self._slots.changed.clear()
            await self._slots.changed.wait()
        return min(free, self._ahead.most), free

    def _free(self) -> int:
        return self._slots.free + self._ahead.room() - self._asked

    @property
    def _waits_for_the_other(self) -> bool:
        return bool(self._asked) and self._doubts.are_wary

    async def _claim(self, want: int, free: int) -> Claim | None:
        """One claim and what it brings; None when there was no answer."""
        shares = self._urgency.shares(free, self._busy)
        self._asked += want
        self._under_way.append(shares)
        self._pacer.asked()
        claim = None
        with anyio.CancelScope(shield=True):  # what an answer brings must not be lost
            claim = await self._answered(want, shares)
            async with self._handing_out:
                self._asked -= want
                self._under_way.remove(shares)
                await self._hand_out(claim.runs if claim else ())
        if claim and len(claim.runs) == want and not self._doubts.are_wary:
            self._plenty.set()
        else:
            self._plenty.clear()
        return claim

    def _busy(self, queue: str) -> int:
        """How many slots a queue has, or may be about to get."""
        asked = (each.most for shares in self._under_way for each in shares if each.queue == queue)
        return self._slots.busy_with(queue) + self._ahead.busy_with(queue) + sum(asked)

    async def _hand_out(self, runs: Sequence[Claimed]) -> None:
        """Start what came; what came at the same time waits until this is at work.

        Else two answers that arrived together would be asked for together again, and Redis and
        Python would take turns for good, where they can work at the same time.
        """
        here = self._mine() if self._doubts.are_wary else ()
        begun = {*self._slots.attempts, *self._ahead.attempts} if runs else ()
        for run in runs:  # an offer that was taken may have brought it, or its lease went lost
            if run.id not in here and (run.id, run.attempt) not in begun:
                self._ahead.add(run)
        self._slots.changed.set()  # there may be room again
        await asyncio.sleep(0)  # a run that does nothing has ended by then

    async def _answered(self, want: int, shares: Sequence[Share]) -> Claim | None:
        mine = self._mine() if self._doubts.are_wary else None
        try:
            await self._show()
            claim = await self._store.claim(
                self._worker,
                want,
                shares,
                mine=mine,
                may_take_over=not self._doubts.are_patient,
                was_offering=self._is_offering,
                offer=self._offer(want),
                fatal=self._fatal,
            )
        except Unavailable as error:
            self._lost()
            level = logging.DEBUG if self._absent else logging.WARNING  # once is enough
            log.log(level, "claiming waits for Redis: %s", error)
            self._absent = self._absent or _FIRST_PAUSE
            self._is_offering = True  # perhaps: the next claim sees to it
            return None
        self._absent = 0.0
        if mine is not None:
            self._doubts.see(claim, want, shares)
        self._doubts.answered()
        self._pacer.see(claim)
        self._hears_of_runs, self._is_offering = claim.hears_of_runs, claim.is_offering
        return claim

    def _offer(self, want: int) -> timedelta | None:
        """How long an offer is to stand; None while something runs, or may have come unheard."""
        is_alone = self._slots.is_empty and self._asked == want
        can_hear = self._hears_of_runs and not self._doubts.are_wary
        return self._offer_for if is_alone and can_hear else None

    async def _wait_for_redis(self) -> None:
        """Longer every time, and no two workers alike."""
        await anyio.sleep(jittered(self._absent))
        self._absent = min(2 * self._absent, self._absences)
