"""Runs that are claimed a moment before there is a slot for them.

Where runs are short, a slot that must wait for the next claim is empty for much of the time. So a
worker claims ahead as many as will have their turn in the next few milliseconds, as fast as slots
get free here just now: as many again as it has slots where runs do nothing, none where they take a
second.

They begin in the order they came. One of a less urgent queue leaves free the slots that are kept
for urgent ones, and then those go first. What waits for long all the same, because the runs at work
have become slower, is given back uncharged, for whoever has a slot; and so is everything when the
worker stops, or tries a suspect alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from app.engine.roles.slots import Slots
from app.engine.run import Claimed

AHEAD = timedelta(milliseconds=5)
"""How long a run that is claimed ahead waits for its turn, if nothing changes."""
LONGEST = timedelta(milliseconds=200)
"""How long it waits at most."""
_WINDOW = 0.02  # s, at least, over which freed slots are counted


@dataclass(frozen=True, slots=True)
class _Count:
    """So many got free in so many seconds."""

    slots: int = 0
    seconds: float = 0.0


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
        self._freed, self._since = 0, 0.0
        self._before: _Count = _Count()
        self._length = 0
        slots.freed = self._has_freed

    def room(self) -> int:
        """How many more runs may be claimed than there are free slots: none until half is gone."""
        if self._slots.is_closed:
            return 0
        self._measure()
        waiting = len(self._waiting)
        return self._length - waiting if 2 * waiting <= self._length else 0

    def _measure(self) -> None:
        """Look how fast slots get free; by two counts, for runs that began together end so."""
        now = monotonic()
        if now - self._since < _WINDOW:
            return
        count, before = _Count(self._freed, now - self._since), self._before
        rate = (count.slots + before.slots) / (count.seconds + before.seconds)
        self._length = min(self._slots.count, int(rate * AHEAD.total_seconds()))
        self._before, self._freed, self._since = count, 0, now

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
        if not self._waiting and self._fits(run, self._slots.free):
            self._start(run)
            return
        self._waiting.append((run, monotonic()))
        if self._timer is None:
            self._look_in(LONGEST.total_seconds())
        self._advance()

    def give_back(self) -> None:
        """Give all back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            self._give_back(self._waiting.popleft()[0])

    def _advance(self) -> None:
        """Start those there is a slot for."""
        while self._waiting and (free := self._slots.free) > 0:
            place = 0 if self._fits(self._waiting[0][0], free) else self._first(free)
            if place is None:
                return
            run, since = self._waiting[place]
            del self._waiting[place]
            is_late = monotonic() - since > LONGEST.total_seconds()  # the loop has stood still
            (self._give_back if is_late else self._start)(run)

    def _has_freed(self) -> None:
        self._freed += 1
        if self._waiting:
            self._advance()

    def _first(self, free: int) -> int | None:
        """The place of the first there is a slot for."""
        runs = enumerate(self.waiting)
        return next((place for place, run in runs if self._fits(run, free)), None)

    def _fits(self, run: Claimed, free: int) -> bool:
        return free > self._reserved.get(run.queue, 0)  # anybody may hand over, and name any queue

    def _look_in(self, pause: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        """Give back what has waited for too long, and look again when the next one has."""
        self._timer = None
        now, longest = monotonic(), LONGEST.total_seconds()
        while self._waiting and now - self._waiting[0][1] >= longest:
            self._give_back(self._waiting.popleft()[0])
            self._length, self._freed, self._since, self._before = 0, 0, now, _Count()
        self._slots.changed.set()  # there may be room for others
        if self._waiting:
            self._look_in(longest - (now - self._waiting[0][1]))
