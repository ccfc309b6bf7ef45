"""What the end of an attempt says of the provider it spoke with: pure, for its breaker.

it ended                                     the breaker hears
with an error that says `retry_after`        asked: leave the provider alone for so long
with a failure of the breaker's kinds        failed: it may be out of reach
with a result, or any other error            ok: it answered
cancelled, given back, snoozed by the job    nothing
"""

from datetime import timedelta
from enum import StrEnum

import msgspec

from app.engine.clock import span_ms
from app.engine.limits import Ask, Breaker
from app.engine.outcome import Dead, Outcome, Retrying, Snoozed, Succeeded
from app.engine.retry import is_permanent, retry_after
from app.engine.run import Claimed

_DEEPEST_CAUSE = 20  # causes may form a circle


class Verdict(StrEnum):
    """As admit.lua knows it."""

    OK = "ok"
    FAILED = "failed"
    ASKED = "asked"
    NOTHING = "nothing"


class Told(msgspec.Struct, frozen=True, gc=False):
    """The end of a run, told to one of its limits."""

    run_id: str
    ask: Ask
    verdict: Verdict = Verdict.NOTHING
    asked_ms: int = 0


class Asking(msgspec.Struct, frozen=True, gc=False):
    """A run that wants to start, and what it asks for."""

    run: Claimed
    asks: tuple[Ask, ...]


class Admission(msgspec.Struct, frozen=True, gc=False):
    """What came of one trip: who may start, when to look for room again, how many were let in."""

    admitted: tuple[bool, ...]
    look_ms: float | None
    let_in: int


def tell(run_id: str, ask: Ask, outcome: Outcome) -> Told:
    """What this limit hears of a run's end."""
    if ask.breaker is None:
        return Told(run_id, ask)
    match outcome:
        case Succeeded():
            return Told(run_id, ask, Verdict.OK)
        case Snoozed(asked=timedelta() as asked):
            return Told(run_id, ask, Verdict.ASKED, span_ms(asked))
        case Retrying(error=error) | Dead(error=error):
            return _told_of(run_id, ask, ask.breaker, error)
        case _:
            return Told(run_id, ask)


def provider_asks(asks: tuple[Ask, ...], error: BaseException) -> timedelta | None:
    """How long a provider wants to be left alone, where a breaker sees to that."""
    if is_permanent(error) or not any(each.breaker for each in asks):
        return None
    asked = retry_after(error)
    return asked if asked is not None and asked > timedelta(0) else None


def _told_of(run_id: str, ask: Ask, breaker: Breaker, error: BaseException) -> Told:
    asked = provider_asks((ask,), error)
    if asked is not None:
        return Told(run_id, ask, Verdict.ASKED, span_ms(asked))
    failed = any(isinstance(each, breaker.on) for each in _with_causes(error))
    return Told(run_id, ask, Verdict.FAILED if failed else Verdict.OK)


def _with_causes(error: BaseException) -> list[BaseException]:
    found = [error]
    while len(found) < _DEEPEST_CAUSE and (cause := found[-1].__cause__) is not None:
        found.append(cause)
    return found
