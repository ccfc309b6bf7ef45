"""Where effects are written down: what a ledger has to do, and how one is asked.

A ledger decides nothing. It replaces what stands in a place, in one step and only if that is what
the writer thinks, and says what stands there afterwards. So any database can be one.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from app.engine.effect import Effect, Place, is_same, settled


class Ledger(Protocol):
    """Keeps effects for as long as their run or its dead letter is there."""

    @property
    def knows_leases(self) -> bool:
        """Whether `swap` itself refuses whoever has lost the lease; else it is asked for before."""
        ...

    async def swap(
        self, place: Place, known: Effect | None, then: Effect | None, *, lease: str
    ) -> Effect | None:
        """Put `then` in the place of `known`; returns what stands there now, whichever it is.

        Safe to repeat. None is an empty place. Raises `LeaseLost` when there is a `lease`, the
        run's is another, and the ledger knows; `OSError` or `Unavailable` when it can't be reached.
        """
        ...

    async def in_doubt(self, *, limit: int) -> Sequence[Effect]:
        """The effects that wait for a person, the oldest first."""
        ...


async def change(
    ledger: Ledger,
    place: Place,
    known: Effect | None,
    decide: Callable[[Effect | None], Effect | None],
    *,
    lease: str = "",
    check: Callable[[], Awaitable[None]] | None = None,
) -> Effect | None:
    """Write what `decide` makes of what stands there, however often that changes meanwhile.

    `known` may be a guess; a right one saves a trip. `check` is asked before each try to write: it
    raises for whoever may not any more. Returns what stands there in the end.
    """
    while True:
        then = decide(known)
        if is_same(then, known):
            return known
        if check is not None:
            await check()
        found = await ledger.swap(place, known, then, lease=lease)
        if is_same(found, then):
            return then
        known = found


async def settle(ledger: Ledger, effect: Effect, *, happened: bool) -> Effect | None:
    """Say of an effect in doubt whether it happened; returns what stands there now.

    Safe to repeat. What is not in doubt any more stays what it is: somebody else knew.
    """
    return await change(ledger, effect.place, effect, partial(settled, happened=happened))
