"""Calls that come while others are under way travel together.

A call that finds nobody on the way goes at once, alone. Those that come until it is back share the
next trip, and so on: the more there are, the more travel in one. A trip is a task: whoever is
cancelled while it is under way, the others' calls are in its hands. It ends by itself, because
`carry` does. A failure of a trip is everybody's in it; where the connection broke, also of those
who wait for the next: they have waited as long, and each knows how much longer it may.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.engine.errors import Unavailable

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
        self._is_under_way = False
        self._trips: set[asyncio.Task[None]] = set()

    async def send(self, items: Sequence[T]) -> Sequence[R]:
        """The answers to these items; raises what `carry` raises."""
        if self._is_under_way:
            place: _Place[T, R] = _Place(items, asyncio.get_running_loop().create_future())
            self._waiting.append(place)
            return await place.answers
        self._is_under_way = True
        try:
            return await self._carry(items)
        except Unavailable as error:
            self._fail_waiting(error)
            raise
        finally:
            self._next()

    def _next(self) -> None:
        """Begin a trip with those who wait, if there are any."""
        places, self._waiting = self._waiting, []
        places = [place for place in places if not place.answers.done()]
        self._is_under_way = bool(places)
        if places:
            loop = asyncio.get_running_loop()
            trip = loop.create_task(self._go(places))
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)

    def _fail_waiting(self, error: Unavailable) -> None:
        for place in self._waiting:
            _tell(place, error)

    async def _go(self, places: Sequence[_Place[T, R]]) -> None:
        try:
            answers = await self._carry([item for place in places for item in place.items])
        except Exception as error:  # whatever it is, each caller hears of it
            for place in places:
                _tell(place, error)
            if isinstance(error, Unavailable):
                self._fail_waiting(error)
        else:
            _hand_out(answers, places)
        finally:
            self._next()


def _hand_out(answers: Sequence[R], places: Sequence[_Place[T, R]]) -> None:
    start = 0
    for place in places:
        if not place.answers.done():
            place.answers.set_result(answers[start : start + len(place.items)])
        start += len(place.items)


def _tell(place: _Place[T, R], error: Exception) -> None:
    if not place.answers.done():
        place.answers.set_exception(error)
