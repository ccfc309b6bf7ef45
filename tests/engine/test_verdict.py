"""What a breaker hears of a run's end."""

import pytest

from app.engine import Breaker, hours, seconds
from app.engine.limits import Ask
from app.engine.outcome import Cancelled, Dead, Outcome, Released, Retrying, Snoozed, Succeeded
from app.engine.verdict import Verdict, provider_asks, tell

ASK = Ask("breaker", "breaker:x", 5, 60_000, Breaker())
RATE = Ask("rate", "rate/1:x", 5, 60_000)


class TooManyRequests(Exception):
    """As a provider's client raises it."""

    retry_after = seconds(90)


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("outcome", "verdict", "asked_ms"),
    [
        (Succeeded(None), Verdict.OK, 0),
        (Cancelled(), Verdict.NOTHING, 0),
        (Released(), Verdict.NOTHING, 0),
        (Snoozed(hours(1), "busy"), Verdict.NOTHING, 0),
        (Snoozed(hours(1), "busy", seconds(90)), Verdict.ASKED, 90_000),
        (Retrying(seconds(1), ConnectionResetError()), Verdict.FAILED, 0),
        (Dead(TimeoutError()), Verdict.FAILED, 0),
        (Retrying(seconds(1), caused(RuntimeError(), ConnectionError())), Verdict.FAILED, 0),
        (Retrying(seconds(1), RuntimeError()), Verdict.OK, 0),
        (Dead(ValueError()), Verdict.OK, 0),
        (Dead(TooManyRequests()), Verdict.ASKED, 90_000),
        (Dead(caused(RuntimeError(), TooManyRequests())), Verdict.ASKED, 90_000),
    ],
)
def test_an_outcome_says_whether_the_provider_answered(
    outcome: Outcome, verdict: Verdict, asked_ms: int
) -> None:
    told = tell("run", ASK, outcome)

    assert (told.verdict, told.asked_ms) == (verdict, asked_ms)


def test_other_limits_hear_that_it_is_over() -> None:
    assert tell("run", RATE, Dead(TimeoutError())).verdict is Verdict.NOTHING


def test_a_breaker_may_know_other_kinds_of_failure() -> None:
    ours = Ask("breaker", "x", 5, 1, Breaker(on=(KeyError,)))

    assert tell("run", ours, Dead(KeyError("x"))).verdict is Verdict.FAILED
    assert tell("run", ours, Dead(TimeoutError())).verdict is Verdict.OK


def test_only_with_a_breaker_a_provider_is_heeded_here() -> None:
    assert provider_asks((RATE, ASK), TooManyRequests()) == seconds(90)
    assert provider_asks((RATE,), TooManyRequests()) is None


def test_a_circle_of_causes_has_an_end() -> None:
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first

    assert tell("run", ASK, Dead(first)).verdict is Verdict.OK
