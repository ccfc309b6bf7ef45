"""What makes two deaths alike."""

import pytest

from app.engine.cause import Cause, cause_of, unpack_cause
from app.engine.errors import BadPayload
from app.engine.wire import pack


def raised_here(message: str) -> BaseException:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def raised_there(message: str) -> BaseException:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def test_the_function_that_raised_it_counts_and_not_what_it_said() -> None:
    cause = cause_of("a.job", raised_here("one thing"))

    assert cause == Cause("a.job", "builtins.ValueError", "engine/test_cause.py in raised_here")
    assert cause_of("a.job", raised_here("another")).id == cause.id
    assert cause_of("a.job", raised_there("one thing")).id != cause.id
    assert cause_of("other.job", raised_here("one thing")).id != cause.id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the payload of run k3V9xQ on queue ai", "the payload of run Zz7 on queue ai"),
        ("took longer than 0:05:00", "took longer than 1:00:00"),
        ("no user 'ann'", "no user 'bob o'"),
        ("first line 1\nand more", "first line 2\nand other things"),
    ],
)
def test_of_an_error_raised_nowhere_what_is_particular_does_not_count(one: str, other: str) -> None:
    assert cause_of("a.job", BadPayload(one)) == cause_of("a.job", BadPayload(other))


def test_errors_raised_nowhere_differ_by_what_they_say() -> None:
    gone, altered = BadPayload("the payload is gone"), BadPayload("the signature is not ours")

    assert cause_of("a.job", gone).id != cause_of("a.job", altered).id


def test_a_cause_that_is_none_is_unknown() -> None:
    known = Cause("a.job", "builtins.ValueError", "x")

    assert unpack_cause(pack(known)) == known
    assert unpack_cause(b"\xff junk") == Cause("?", "?", "?")
