"""What a run has done and need not do again: its effects and its steps.

A worker has one set of books for all its runs, and an attempt made by a test has its own in memory.
Of an attempt that uses neither effects nor steps nothing is noted. A name is used once in an
attempt: the second use would be taken for a repetition of the first.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from app.engine.effect import (
    ASK,
    Effect,
    EffectState,
    InDoubt,
    Place,
    begun,
    doubted,
    ended,
    is_same,
)
from app.engine.errors import (
    BadArguments,
    Duplicate,
    JobSignal,
    LeaseLost,
    NeedsReview,
    TooLarge,
)
from app.engine.ledger import Ledger, change
from app.engine.returned import Returned
from app.engine.surely import surely

if TYPE_CHECKING:
    from app.engine.attempt import Attempt

T = TypeVar("T")

log = logging.getLogger(__name__)

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,400}")


class Shelf(Protocol):
    """Keeps the results of steps for as long as the run or its dead letter is there."""

    async def read(self, attempt: "Attempt", name: str) -> bytes | None:
        """What a finished step of this name has left."""
        ...

    async def keep(self, attempt: "Attempt", name: str, result: bytes) -> None:
        """Keep a result; raises `LeaseLost` when the run is another worker's by now."""
        ...

    async def check(self, attempt: "Attempt") -> None:
        """Raises `LeaseLost` when the run is another worker's by now."""
        ...


class Books:
    """Effects and steps of the runs at work in one place."""

    def __init__(
        self,
        ledger: Ledger,
        shelf: Shelf,
        *,
        now_ms: Callable[[], int],
        is_at_work: Callable[["Attempt"], bool],
    ) -> None:
        """`is_at_work`: of an attempt that was given up, nothing is written any more."""
        self._ledger = ledger
        self._shelf = shelf
        self._now_ms = now_ms
        self._is_at_work = is_at_work
        self.open: dict[tuple[str, int], set[str]] = {}
        """The names that attempts have used so far."""

    def close(self, attempt: "Attempt") -> bool:
        """Forget an attempt that is over; whether it had used any of this."""
        return self.open.pop((attempt.origin, attempt.number), None) is not None

    async def step(self, attempt: "Attempt", name: str, function: Callable[[], Awaitable[T]]) -> T:
        """What an earlier attempt got from it, or what it returns now, kept for later ones."""
        returned = Returned.of(function)
        self._use(attempt, "step", name)
        kept = await self._shelf.read(attempt, name)
        if kept is not None:
            found: T = returned.unpack(kept)
            return found
        value = await function()
        packed = returned.pack(value)
        await surely(lambda: self._shelf.keep(attempt, name, packed))
        return value

    async def once(
        self,
        attempt: "Attempt",
        name: str,
        act: Callable[[], Awaitable[T]],
        *,
        in_doubt: InDoubt,
        is_shared: bool,
        not_done: tuple[type[Exception], ...],
    ) -> T | None:
        """What the act returns now or has returned before; None where that is not known."""
        returned: Returned[T] = Returned.of(act)
        self._use(attempt, "effect", name, again=is_shared)
        mine = self._beginning(attempt, name, is_shared=is_shared, asks=in_doubt is ASK)
        stands = await self._begin(attempt, mine, in_doubt)
        match stands.state:
            case EffectState.BEGUN:
                pass
            case EffectState.IN_DOUBT:
                raise _review(stands)
            case _:
                return returned.unpack(stands.result) if stands.result else None
        try:
            value = await act()
        except BaseException as error:
            await self._failed(mine, error, in_doubt, not_done)
            raise
        await self._end(mine, _done(mine, returned, value))
        return value

    def _use(self, attempt: "Attempt", kind: str, name: str, *, again: bool = False) -> None:
        if not _NAME.fullmatch(name):
            raise BadArguments(f"{name!r}: a name has 1 to 400 printable characters")
        if not self._is_at_work(attempt):
            raise LeaseLost(f"run {attempt.run_id}: this attempt was given up")
        used = self.open.setdefault((attempt.origin, attempt.number), set())
        what = f"{kind} {name!r}"
        if what in used and not again:
            raise Duplicate(f"{what} was used before in this run: give each a name of its own")
        used.add(what)

    def _beginning(self, attempt: "Attempt", name: str, *, is_shared: bool, asks: bool) -> Effect:
        place = Place(run_id=attempt.run_id, origin=attempt.origin, name=name, is_shared=is_shared)
        return Effect(
            place=place,
            state=EffectState.BEGUN,
            by=token_hex(8),
            job=attempt.job,
            attempt=attempt.number,
            worker=attempt.worker,
            since=self._now_ms(),
            asks=asks,
        )

    async def _begin(self, attempt: "Attempt", mine: Effect, in_doubt: InDoubt) -> Effect:
        """Write down that it begins; where another attempt has, see again whose run it is."""
        stands = await change(
            self._ledger,
            mine.place,
            None,
            partial(begun, mine=mine, in_doubt=in_doubt),
            lease=attempt.lease,
            check=None if self._ledger.knows_leases else partial(self._shelf.check, attempt),
        )
        return stands or mine

    async def _failed(
        self,
        mine: Effect,
        error: BaseException,
        in_doubt: InDoubt,
        not_done: tuple[type[Exception], ...],
    ) -> None:
        """Write down what an act that did not return means, if it has to be known later."""
        if isinstance(error, (JobSignal, *not_done)):
            await self._end(mine, None)
        elif in_doubt is ASK:
            doubt = doubted(mine)
            await self._end(mine, doubt)
            if isinstance(error, Exception):
                raise _review(doubt) from error

    async def _end(self, mine: Effect, then: Effect | None) -> None:
        async def write() -> None:
            decide = partial(ended, mine=mine, then=then)
            stands = await change(self._ledger, mine.place, mine, decide)
            if not is_same(stands, then):
                raise LeaseLost(f"{mine.place.name}: another attempt has begun it again")

        await surely(write)


def _done(mine: Effect, returned: Returned[T], value: T) -> Effect:
    """It has happened, whatever the act returned: what can't be kept is left out."""
    try:
        result = returned.pack(value)
    except (TypeError, TooLarge) as error:
        log.warning("the effect %s is done, but its result is not kept: %s", mine.place.name, error)
        result = b""
    return msgspec.structs.replace(mine, state=EffectState.DONE, result=result)


def _review(effect: Effect) -> NeedsReview:
    place = effect.place
    return NeedsReview(
        f"unknown, needs review: attempt {effect.attempt} of run {place.run_id} began "
        f"{place.name!r}, and nobody can tell whether it happened: `steward effects` lists it, and"
        " `steward effects settle` goes on once you know"
    )
