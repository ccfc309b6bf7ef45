"""How a worker's slots are shared between its queues: the urgent come first, and none starves.

A claim asks the most urgent queue first, then the next, for as many runs as there are free slots.
A tenth of the slots, at least one, is never filled from the less urgent half, so that an urgent run
finds a place at once. Every few claims start at a lower queue, in turn, so that a flooded urgent
queue starves nobody. And a queue may have a limit of its own: so many runs at once in this worker.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from app.engine.run import Share

_RESERVED = 10  # one slot in ten is for the more urgent half


class Urgency:
    """Says what each claim of a worker may take, and in which order."""

    def __init__(
        self,
        queues: Sequence[tuple[str, timedelta]],
        *,
        slots: int,
        turn: int,
        limits: Mapping[str, int],
    ) -> None:
        """`queues`: the most urgent first, each with how long a lease on its runs must last.

        Every `turn`th claim starts at a lower queue.
        """
        self._queues = tuple(queues)
        self.queues = tuple(name for name, _ in queues)
        self._urgent = (len(queues) + 1) // 2
        self._reserved = min(max(1, slots // _RESERVED), slots - 1) if len(queues) > 1 else 0
        self.reserved = {
            name: 0 if place < self._urgent else self._reserved
            for place, name in enumerate(self.queues)
        }
        """How many slots the runs of each queue leave free."""
        self._turn = turn
        self._limits = limits
        self._claims = 0

    def shares(self, free: int, busy: Callable[[str], int]) -> list[Share]:
        """What of `free` slots each queue may take; `busy` tells how many a queue has already."""
        spare = max(0, free - self._reserved)
        shares = [
            Share(queue=name, most=self._within(name, most, busy), lease=lease)
            for place, (name, lease) in enumerate(self._queues)
            for most in (free if place < self._urgent else spare,)
        ]
        first = self._first()
        return shares[first:] + shares[:first]

    def _within(self, queue: str, most: int, busy: Callable[[str], int]) -> int:
        limit = self._limits.get(queue)
        return most if limit is None else max(0, min(most, limit - busy(queue)))

    def _first(self) -> int:
        self._claims += 1
        turn, left = divmod(self._claims, self._turn)
        others = len(self._queues) - 1
        return 1 + turn % others if left == 0 and others else 0
