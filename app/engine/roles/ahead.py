"""Runs that are claimed a moment before there is a slot for them.

Where runs are short, a slot that must wait for the next claim is empty for much of the time. So a
worker claims ahead as many as will have their turn in the next few milliseconds, as fast as runs
end here just now: up to twice its slots where they do nothing, none where they take a second.

They begin in the order they came. One of a less urgent queue leaves free the slots that are kept
for urgent ones, and then those go first. What waits for long all the same, because the runs at work
have become slower, is given back uncharged, for whoever has a slot; and so is everything when the
worker stops.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from time import monotonic

from app.engine.roles.slots import Slots
from app.engine.run import Claimed

AHEAD = timedelta(milliseconds=5)
"""How long a run that is claimed ahead waits for its turn, if nothing changes."""
LONGEST = timedelta(milliseconds=200)
"""How long it waits at most."""
_WINDOW = 0.02  # s, at least, over which ends are counted


class Ahead:
    """Those of one worker."""

    def __init__(
        self,
        slots: Slots,
        *,
        reserved: Mapping[str, int],
        start: Callable[[Claimed], None],
        give_back: Callable[[Claimed], None],
    ) -> None:
        """`reserved`: how many slots the runs of each queue leave free."""
        self._slots = slots
        self._reserved = reserved
        self._start = start
        self._give_back = give_back
        self._waiting = deque[tuple[Claimed, float]]()
        self._timer: asyncio.TimerHandle | None = None
        self._ends, self._since = 0, 0.0
        self._length = 0
        slots.on_free = self._ended

    @property
    def room(self) -> int:
        """How many more runs may be claimed than there are free slots: none until half is gone."""
        if self._slots.is_closed:
            return -len(self._waiting)
        if (lasted := monotonic() - self._since) >= _WINDOW:
            rate = self._ends / lasted
            self._length = min(self._slots.count, int(rate * AHEAD.total_seconds()))
            self._ends, self._since = 0, monotonic()
        waiting = len(self._waiting)
        return self._length - waiting if 2 * waiting <= self._length else -waiting

    @property
    def most(self) -> int:
        """How many runs one claim may bring: half of those that may be here."""
        return max(1, (self._slots.count + self._length) // 2)

    @property
    def waiting(self) -> Iterable[Claimed]:
        """The runs that are here, and have not begun."""
        return (run for run, _ in self._waiting)

    @property
    def attempts(self) -> Iterable[tuple[str, int]]:
        """The attempts that are here."""
        return ((run.id, run.attempt) for run in self.waiting)

    def busy_with(self, queue: str) -> int:
        """How many of this queue wait."""
        return sum(run.queue == queue for run in self.waiting)

    def add(self, run: Claimed) -> None:
        """Start it as soon as there is a slot, or give it back."""
        if not self._waiting and self._slots.free > self._reserved[run.queue]:
            self._start(run)
            return
        self._waiting.append((run, monotonic()))
        if self._timer is None:
            self._look_in(LONGEST.total_seconds())
        self._advance()

    def close(self) -> None:
        """Give all back."""
        if self._timer is not None:
            self._timer.cancel()
        while self._waiting:
            self._give_back(self._waiting.popleft()[0])

    def _advance(self) -> None:
        """Start those there is a slot for."""
        while self._waiting and (free := self._slots.free) > 0:
            place = 0 if free > self._reserved[self._waiting[0][0].queue] else self._first(free)
            if place is None:
                return
            run, _ = self._waiting[place]
            del self._waiting[place]
            self._start(run)

    def _ended(self) -> None:
        self._ends += 1
        if self._waiting:
            self._advance()

    def _first(self, free: int) -> int | None:
        """The place of the first there is a slot for."""
        runs = enumerate(self.waiting)
        return next((place for place, run in runs if free > self._reserved[run.queue]), None)

    def _look_in(self, pause: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        """Give back what has waited for too long, and look again when the next one has."""
        self._timer = None
        now, longest = monotonic(), LONGEST.total_seconds()
        while self._waiting and now - self._waiting[0][1] >= longest:
            self._give_back(self._waiting.popleft()[0])
        if self._waiting:
            self._look_in(longest - (now - self._waiting[0][1]))
