"""Effects and steps kept in memory, for attempts outside of a worker, as tests make them; and the
refusal of an arq worker, which keeps none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.engine.books import Books
from app.engine.clock import Clock
from app.engine.effect import Effect, EffectState, Place, is_same
from app.engine.errors import DeclarationError

if TYPE_CHECKING:
    from app.engine.attempt import Attempt


class MemoryLedger:
    """Keeps effects as long as it lives itself."""

    def __init__(self) -> None:
        self._effects: dict[str, Effect] = {}

    @property
    def knows_leases(self) -> bool:
        """There are none."""
        return True

    async def swap(
        self, place: Place, known: Effect | None, then: Effect | None, *, lease: str
    ) -> Effect | None:
        """Compare and replace."""
        del lease
        found = self._effects.get(place.key)
        if not is_same(found, known):
            return found
        if then is None:
            self._effects.pop(place.key, None)
        else:
            self._effects[place.key] = then
        return then

    async def in_doubt(self, *, limit: int) -> Sequence[Effect]:
        """Those that are."""
        found = [each for each in self._effects.values() if each.state is EffectState.IN_DOUBT]
        return found[:limit]


class MemoryShelf:
    """Keeps results as long as it lives itself."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}

    async def read(self, attempt: "Attempt", name: str) -> bytes | None:
        """What was kept."""
        return self._kept.get((attempt.origin, name))

    async def keep(self, attempt: "Attempt", name: str, result: bytes) -> None:
        """Keep it."""
        self._kept[attempt.origin, name] = result

    async def check(self, attempt: "Attempt") -> None:
        """There are no leases."""


def memory_books() -> Books:
    """Books that nobody else sees, for an attempt outside of a worker."""
    return Books(MemoryLedger(), MemoryShelf(), now_ms=Clock().now_ms, is_at_work=lambda _: True)


def no_books() -> Books:
    """Books that refuse: what runs in an arq worker's or project's way has no place for them."""
    return _NoBooks(MemoryLedger(), MemoryShelf(), now_ms=Clock().now_ms, is_at_work=lambda _: True)


class _NoBooks(Books):
    def _use(self, attempt: "Attempt", kind: str, name: str, *, again: bool = False) -> None:
        del name, again
        said = f"{attempt.job}: the {kind} would be kept by a worker of Steward's, not by arq's"
        raise DeclarationError(said)
