"""When to claim again, once a claim brought less than was asked for.

At once when the server tells that a queue has changed, or when this worker has written to one
itself; else when the next run is due. A look every `poll` is a net below: it finds what nobody
tells of, such as the runs of a worker that died. Where the server refuses to tell, looking often
takes its place. Who came too late for a change leaves the next one to others for a moment.
"""

import asyncio
import logging
import random
from datetime import timedelta

import anyio

from app.engine.clock import Clock
from app.engine.run import Claim

log = logging.getLogger(__name__)

_SHORTEST_BACK, _LONGEST_BACK = 0.002, 0.05  # s to leave a wake to others, when they were quicker
_BLIND_POLL = 0.5  # s between two looks where the server does not tell of changes
_CURSOR = 0.5  # s, as in claim.lua: then a claim looks at the head of its queues again


class Pacer:
    """Waits between two claims of one worker."""

    def __init__(self, clock: Clock, *, poll: timedelta) -> None:
        self._clock = clock
        self._poll = poll.total_seconds()
        self._woken = asyncio.Event()
        self._is_theirs = False  # the change that woke us
        self._was_theirs = False  # the one that the last claim answered to
        self._back = 0.0
        self._is_blind = False

    def wake(self) -> None:
        """Claim soon."""
        self._woken.set()

    def changed(self) -> None:
        """Others have changed a queue: claim soon."""
        self._is_theirs = True
        self._woken.set()

    def handed(self) -> None:
        """A run came by itself: that the claim after it brings nothing is not others' doing."""
        self._back = 0.0

    def begin(self) -> None:
        """A claim begins, and answers to whatever was told before."""
        self._was_theirs, self._is_theirs = self._is_theirs, False

    def asked(self) -> None:
        """It is about to be sent: what is told from now on calls for the next."""
        self._woken.clear()

    def see(self, claim: Claim) -> None:
        """Whether the server will tell of changes."""
        if not claim.is_told and not self._is_blind:
            log.warning("the server does not tell of changes; looking every %s s", _BLIND_POLL)
        self._is_blind = not claim.is_told

    async def pause(self, claim: Claim) -> None:
        """Wait for a change, for the next due run, or for the next look."""
        self._step_back(claim)
        alarm = asyncio.get_running_loop().call_later(self._longest(claim), self._woken.set)
        try:
            await self._woken.wait()
        finally:
            alarm.cancel()
        if self._is_theirs and self._back:
            await anyio.sleep(self._back * random.uniform(0.5, 1))

    def _longest(self, claim: Claim) -> float:
        wait = min(self._poll, _BLIND_POLL) if self._is_blind else self._poll
        if self._was_theirs and not claim.is_all:
            wait = min(wait, _CURSOR)  # the change may be where this claim did not look
        if claim.next_due is None:
            return wait
        due = (claim.next_due - self._clock.now()).total_seconds()
        return min(wait, max(0.001, due))

    def _step_back(self, claim: Claim) -> None:
        """A change that brought nothing: others were quicker. Leave them the next for longer."""
        if claim.runs:
            self._back = 0.0
        elif self._was_theirs:
            self._back = min(max(2 * self._back, _SHORTEST_BACK), _LONGEST_BACK)
