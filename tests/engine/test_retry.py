"""When to try again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import NEVER, Backoff, BadArguments, ByClass, Discard, Fixed, PermanentError
from app.engine.retry import JITTER, delay_after, is_permanent, retry_after
from app.engine.retry import RetryPolicy as Policy


class TooManyRequests(Exception):
    """A provider that says when to come back."""

    def __init__(self, retry_after: object) -> None:
        super().__init__("slow down")
        self.retry_after = retry_after


class WrongAddress(ValueError):
    """A service's own kind of bad input."""


class BadCredentials(PermissionError):
    """A service's own kind of refusal."""


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ConnectionError(), 60),
        (ConnectionResetError(), 60),
        (BrokenPipeError(), 60),
        (TimeoutError(), 30),
        (MemoryError(), 120),
        (OSError("disk full"), 120),
        (RuntimeError(), 60),
        (KeyError("x"), 60),
        (SystemExit(1), 60),
        (KeyboardInterrupt(), 60),
        (BaseExceptionGroup("both", [SystemExit()]), 60),
    ],
)
def test_the_wait_depends_on_the_class_of_the_error(error: BaseException, seconds: int) -> None:
    assert delay_after(ByClass(), 1, error, luck=0) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "error",
    [
        Discard(),
        PermanentError(),
        BadArguments(),
        PermissionError(),
        ValueError(),
        UnicodeDecodeError("utf-8", b"", 0, 1, "bad"),
        WrongAddress(),
        BadCredentials(),
        caused(PermanentError(), TooManyRequests(timedelta(seconds=5))),
    ],
)
@pytest.mark.parametrize("policy", [ByClass(), Fixed(timedelta(0), 99), Backoff(attempts=99)])
def test_validation_permission_and_discard_are_never_retried(
    error: BaseException, policy: Policy
) -> None:
    assert is_permanent(error)
    assert delay_after(policy, 1, error) is None


def test_other_errors_are_not_permanent() -> None:
    assert not is_permanent(OSError())


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_attempts_count_all_tries(attempts: int) -> None:
    policy = Fixed(timedelta(seconds=1), attempts)

    tried = [delay_after(policy, number, RuntimeError(), luck=0) for number in range(1, 6)]

    waits = attempts - 1
    assert tried == [timedelta(seconds=1)] * waits + [None] * (5 - waits)


def test_never_means_one_try() -> None:
    assert delay_after(NEVER, 1, RuntimeError()) is None


def test_backoff_doubles_up_to_the_longest() -> None:
    policy = Backoff(attempts=99, first=timedelta(seconds=2), longest=timedelta(seconds=10))

    waits = [policy.wait(number, RuntimeError()).total_seconds() for number in (1, 2, 3, 4, 90)]

    assert waits == [2, 4, 8, 10, 10]


def test_backoff_overflows_at_no_attempt() -> None:
    policy = Backoff(attempts=10**9, first=timedelta(days=30), longest=timedelta(days=60))

    assert policy.wait(10**8, RuntimeError()) == timedelta(days=60)


@pytest.mark.parametrize(
    "error",
    [
        TooManyRequests(timedelta(minutes=7)),
        caused(ConnectionError(), TooManyRequests(timedelta(minutes=7))),
        caused(OSError(), caused(OSError(), TooManyRequests(timedelta(minutes=7)))),
    ],
)
def test_a_providers_retry_after_is_a_lower_bound(error: BaseException) -> None:
    assert delay_after(ByClass(), 1, error, luck=0) == timedelta(minutes=7)


def test_a_longer_wait_of_the_job_stands_against_a_short_retry_after() -> None:
    error = TooManyRequests(timedelta(seconds=1))

    assert delay_after(Fixed(timedelta(minutes=5)), 1, error, luck=0) == timedelta(minutes=5)


@pytest.mark.parametrize("asked", [timedelta(days=-1), timedelta(0), 30, "30", None, object()])
def test_a_retry_after_that_means_nothing_changes_nothing(asked: object) -> None:
    error = TooManyRequests(asked)

    assert delay_after(ByClass(), 1, error, luck=0) == timedelta(seconds=60)


def test_the_largest_retry_after_still_ends_before_the_calendar() -> None:
    delay = delay_after(ByClass(), 1, TooManyRequests(timedelta.max), luck=1)

    assert delay is not None
    assert timedelta(days=3650) <= delay < timedelta(days=10_000)


def test_causes_that_form_a_circle_end_the_search() -> None:
    first, second = OSError("a"), OSError("b")
    first.__cause__, second.__cause__ = second, first

    assert retry_after(first) is None


@given(luck=st.floats(0, 1), seconds=st.integers(0, 10**6), asked=st.integers(0, 10**6))
def test_jitter_only_stretches_and_never_by_more_than_a_tenth(
    luck: float, seconds: int, asked: int
) -> None:
    error = TooManyRequests(timedelta(seconds=asked))
    least = timedelta(seconds=max(seconds, asked))

    delay = delay_after(Fixed(timedelta(seconds=seconds)), 1, error, luck=luck)

    assert delay is not None
    assert least <= delay <= least * (1 + JITTER) + timedelta(microseconds=1)


def test_jitter_is_drawn_anew_each_time() -> None:
    delays = {delay_after(ByClass(), 1, RuntimeError()) for _ in range(20)}

    assert len(delays) > 1
