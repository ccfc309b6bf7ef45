"""Calls that are awaited in the same turn of the loop travel together.

The first caller of a turn begins a trip, which waits for the turn to end, takes what all of them
have brought, carries it in one go, and hands each its own answers. The trip is a task: whoever is
cancelled while it is under way, the others' calls are in its hands. It ends by itself, because
`carry` does. A failure of the trip is everybody's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Place(Generic[T, R]):
    """One caller's items, and where it waits for their answers."""

    items: Sequence[T]
    answers: "asyncio.Future[Sequence[R]]"


class Together(Generic[T, R]):
    """Collects items for `carry`, which answers each of them, in order."""

    def __init__(self, carry: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        """`carry` must end by itself: it has a deadline, or a connection that has."""
        self._carry = carry
        self._waiting: list[_Place[T, R]] = []
        self._trips: set[asyncio.Task[None]] = set()

    async def send(self, items: Sequence[T]) -> Sequence[R]:
        """The answers to these items; raises what `carry` raises."""
        loop = asyncio.get_running_loop()
        place: _Place[T, R] = _Place(items, loop.create_future())
        self._waiting.append(place)
        if self._waiting[0] is place:
            trip = loop.create_task(self._go())
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)
        return await place.answers

    async def _go(self) -> None:
        places, self._waiting = self._waiting, []
        places = [place for place in places if not place.answers.done()]
        try:
            answers = await self._carry([item for place in places for item in place.items])
        except Exception as error:  # whatever it is, each caller hears of it
            for place in places:
                _tell(place, error)
            return
        start = 0
        for place in places:
            if not place.answers.done():
                place.answers.set_result(answers[start : start + len(place.items)])
            start += len(place.items)


def _tell(place: _Place[T, R], error: Exception) -> None:
    if not place.answers.done():
        place.answers.set_exception(error)
