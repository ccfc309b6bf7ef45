"""Between a claim and the start: runs of jobs with limits ask here whether there is room for them.

All that ask at the same time, and the ends of those that had a place, go to Redis in one trip. Who
finds no room is gone from this worker: it waits in Redis, and is claimed again by whoever is quick
once it was let in. So that somebody looks when room comes by itself, with the time or with the
death of a worker, each worker that has jobs with limits looks when the next limit is to be looked
at, and every second if it knows of none. A worker without such jobs does nothing here.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import anyio

from app.engine.clock import jittered
from app.engine.errors import Unavailable
from app.engine.limits import Ask
from app.engine.redis.store import Store
from app.engine.roles.over import Over
from app.engine.roles.running import Running
from app.engine.verdict import Asking, Told, tell

log = logging.getLogger(__name__)

Answered = Callable[[Running, bool], None]

_LOOK = 1.0  # s between two looks for room while no line is known
_SOONEST = 0.001  # s
_SHORTEST_BACK, _LONGEST_BACK = 0.005, 0.25  # s to leave a look to others
_TOGETHER = 100  # runs in one trip, and ends of as many
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0  # s between two tries while Redis is away


class Admitter:
    """Asks for one worker."""

    def __init__(self, store: Store, *, lease: timedelta, is_needed: bool) -> None:
        """`lease`: as long as a run may hold its place.

        `is_needed`: whether any job of this worker has limits.
        """
        self._store = store
        self._lease = lease
        self._is_needed = is_needed
        self._asking: list[tuple[Running, Answered]] = []
        self._told: list[Told] = []
        self._wake = asyncio.Event()
        self._trip = asyncio.Lock()
        self._pause = _LOOK
        self._back = 0.0

    def ask(self, running: Running, answered: Answered) -> None:
        """Ask for a place at each of its limits for a run that has its slot meanwhile."""
        self._asking.append((running, answered))
        self._wake.set()

    def ended(self, over: Over) -> None:
        """An attempt has ended: its breakers hear how, before others ask."""
        self._tell(over, [each for each in over.asks if each.breaker])

    def committed(self, over: Over) -> None:
        """Its lease is gone, and with it its place: whoever waits for that may come."""
        self._tell(over, [each for each in over.asks if each.is_place])

    def _tell(self, over: Over, asks: Sequence[Ask]) -> None:
        if asks:
            self._told += [tell(over.run.id, each, over.outcome) for each in asks]
            self._wake.set()

    async def run(self) -> None:
        """Ask and look until cancelled; an absent Redis is waited for."""
        while self._is_needed:
            try:
                await self._go()
            except Unavailable as error:
                log.debug("admission waits for Redis: %s", error)
                self._pause = min(2 * max(self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                await anyio.sleep(jittered(self._pause))
            else:
                with anyio.move_on_after(self._pause):
                    await self._wake.wait()

    async def flush(self) -> None:
        """Tell of all that has ended; raises `Unavailable`."""
        while self._told:
            await self._go()

    async def _go(self) -> None:
        """One trip; what it could not bring there travels in the next."""
        async with self._trip:
            self._wake.clear()
            asking, told = self._asking[:_TOGETHER], self._told[:_TOGETHER]
            answer = await self._store.admit(
                told, [Asking(each.run, each.asks) for each, _ in asking], lease=self._lease
            )
            del self._asking[: len(asking)], self._told[: len(told)]
            if not asking and not told:
                self._step_back(answer.let_in)
            for (running, answered), is_admitted in zip(asking, answer.admitted, strict=True):
                answered(running, is_admitted)
            self._pause = self._until(answer.look_ms)
            if self._asking or self._told:
                self._wake.set()

    def _step_back(self, let_in: int) -> None:
        """A look that let nobody in: others were quicker. Leave them the next for longer."""
        self._back = 0.0 if let_in else min(max(2 * self._back, _SHORTEST_BACK), _LONGEST_BACK)

    def _until(self, look_ms: float | None) -> float:
        if look_ms is None:
            return jittered(_LOOK)
        wait = max((look_ms - self._store.clock.now_ms()) / 1000, _SOONEST)
        return min(wait, _LOOK) + self._back * random.uniform(0.5, 1)
