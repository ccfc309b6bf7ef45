"""What is kept of a failed attempt."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.engine import RemoteError
from app.engine.failure import pack_failure, unpack_failure

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def kept(error: BaseException) -> bytes:
    later = NOW + timedelta(seconds=1)
    return pack_failure(error, number=3, started_at=NOW, ended_at=later, worker="w1")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


class Unprintable(Exception):
    """An exception whose words are an error."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Odd(Exception):
    """An exception that is none of the builtin ones."""


def test_a_failure_says_when_where_and_how() -> None:
    failure = unpack_failure(kept(raised(OSError("disk"))))

    assert (failure.number, failure.worker) == (3, "w1")
    assert (failure.started_at, failure.ended_at) == (NOW, NOW + timedelta(seconds=1))
    assert (failure.kind, failure.message) == ("builtins.OSError", "disk")
    assert failure.traceback.endswith("OSError: disk\n")
    assert "in raised" in failure.traceback
    assert isinstance(failure.error, OSError)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unprintable(), "<unprintable Unprintable>"),
        (Odd("half \udcff"), "half \\udcff"),
        (ExceptionGroup("many", [Unprintable(), Odd("x")]), "many (2 sub-exceptions)"),
        (SystemExit(3), "3"),
        (KeyboardInterrupt(), ""),
        (Odd("x" * 10**6), "x" * 2000),
    ],
)
def test_no_exception_is_too_odd_to_be_kept(error: BaseException, said: str) -> None:
    assert unpack_failure(kept(raised(error))).message == said


def test_an_error_of_an_unknown_class_is_a_remote_error() -> None:
    assert isinstance(unpack_failure(kept(Odd("x"))).error, RemoteError)


def test_the_end_of_a_long_traceback_is_kept() -> None:
    failure = unpack_failure(kept(raised(Odd("x" * 30_000 + " the end"))))

    assert len(failure.traceback) == 16_000
    assert failure.traceback.endswith("the end\n")


def test_a_cancellation_has_no_traceback() -> None:
    assert unpack_failure(kept(raised(asyncio.CancelledError()))).traceback == ""


def test_what_is_no_failure_says_so() -> None:
    assert unpack_failure(b"\xff no failure").message == "unreadable"


def broken_notes(_: object) -> list[str]:
    raise RuntimeError("no notes")


def test_an_exception_whose_traceback_cannot_be_made_is_kept_without() -> None:
    kind = type("Noted", (Exception,), {"__notes__": property(broken_notes)})

    failure = unpack_failure(kept(raised(kind("x"))))

    assert failure.message == "x"
    assert failure.traceback == "<no traceback: RuntimeError>" or (
        "Ignored error getting __notes__: RuntimeError('no notes')" in failure.traceback  # 3.13 on
    )
