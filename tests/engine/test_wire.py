"""Values on the wire."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import BadArguments, Discard, RemoteError, RetryLater, wire
from app.engine.errors import JobTimeout

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Colour(StrEnum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Point:
    """A value that holds values."""

    at: datetime
    how_long: timedelta
    who: UUID
    price: Decimal
    colour: Colour


@dataclass(frozen=True)
class Line:
    """A value that holds values that hold values."""

    points: tuple[Point, ...]
    names: dict[str, Point]
    end: Point | None = None


POINTS = st.builds(
    Point,
    at=MOMENTS,
    how_long=st.timedeltas(),
    who=st.uuids(),
    price=st.decimals(allow_nan=False),
    colour=st.sampled_from(Colour),
)
LINES = st.builds(
    Line,
    points=st.lists(POINTS, max_size=3).map(tuple),
    names=st.dictionaries(st.text(), POINTS, max_size=2),
    end=st.none() | POINTS,
)


def there_and_back(value: object, kind: Any) -> Any:
    return wire.decoder(kind).decode(wire.pack(value))


@given(PLAIN)
def test_plain_values_come_back_as_they_left(value: object) -> None:
    assert wire.unpack(wire.pack(value)) == value


@given(LINES)
def test_nested_dataclasses_come_back_as_they_left(line: Line) -> None:
    assert there_and_back(line, Line) == line


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (datetime(2026, 3, 1, 12, 30, 0, 123456, UTC), datetime),
        (date(2026, 2, 28), date),
        (time(23, 59), time),
        (timedelta(days=-3, microseconds=1), timedelta),
        (timedelta.max, timedelta),
        (UUID(int=7), UUID),
        (Decimal("1.10"), Decimal),
        (Colour.RED, Colour),
        ((1, "a"), tuple[int, str]),
        ({1, 2}, set[int]),
        (frozenset({"a"}), frozenset[str]),
        ({date(2026, 1, 1): [1]}, dict[date, list[int]]),
        (b"\x00\xff", bytes),
        (float("inf"), float),
        (2**64 - 1, int),
        (-(2**63), int),
        (None, None),
    ],
)
def test_a_value_comes_back_as_its_annotation_says(value: object, kind: Any) -> None:
    back = there_and_back(value, kind)

    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("wrong"),
        KeyError("missing"),
        OSError("disk"),
        asyncio.CancelledError(),
        SystemExit("1"),
        TimeoutError("late"),
        BadArguments("x"),
        Discard("no"),
        JobTimeout("too long"),
    ],
)
def test_builtin_exceptions_and_ours_come_back_as_themselves(error: BaseException) -> None:
    back = wire.unpack(wire.pack(error))

    assert type(back) is type(error)
    assert wire.message_of(back) == wire.message_of(error) or isinstance(error, KeyError)


class TheirError(Exception):
    """A class that the other side need not know."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TheirError("odd"), f"{__name__}.TheirError"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "bad"), "builtins.UnicodeDecodeError"),
        (ExceptionGroup("many", [ValueError()]), "builtins.ExceptionGroup"),
        (RetryLater(timedelta(seconds=5)), "app.engine.errors.RetryLater"),
    ],
)
def test_any_other_exception_comes_back_under_its_name(error: BaseException, kind: str) -> None:
    back = wire.unpack(wire.pack(error))

    assert isinstance(back, RemoteError)
    assert (back.kind, back.message) == (kind, wire.message_of(error))


def test_a_remote_error_travels_on_unchanged() -> None:
    back = wire.unpack(wire.pack(wire.unpack(wire.pack(TheirError("odd")))))

    assert (back.kind, back.message) == (f"{__name__}.TheirError", "odd")


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "builtins.exec", "app.engine.job"])
def test_no_name_on_the_wire_runs_code(name: str) -> None:
    assert isinstance(wire.rebuild(name, "echo"), RemoteError)


class Unprintable(Exception):
    """An exception whose words are an error."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_print_itself_still_travels() -> None:
    assert wire.message_of(Unprintable()) == "<unprintable Unprintable>"
    assert isinstance(wire.unpack(wire.pack(Unprintable())), RemoteError)


def test_a_message_with_half_characters_travels() -> None:
    back = wire.unpack(wire.pack(ValueError("file \udcff.txt")))

    assert str(back) == "file \\udcff.txt"


def test_a_long_message_is_cut() -> None:
    assert len(wire.message_of(ValueError("x" * 10**6))) == 2000


def deep(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def cyclic() -> list[Any]:
    itself: list[Any] = []
    itself.append(itself)
    return itself


@pytest.mark.parametrize(
    "value",
    [
        object(),
        2**64,
        -(2**63) - 1,
        cyclic(),
        deep(100_000),
        lambda: 0,
        type,
        1j,
        "\udcff",
        iter(""),
    ],
    ids=["object", "huge", "low", "cyclic", "deep", "function", "class", "complex", "half", "iter"],
)
def test_what_cannot_travel_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        wire.pack(value)


@pytest.mark.parametrize(
    "kind", [object, type, complex, StrEnum, Any | object, TheirError, "Unresolved"]
)
def test_an_annotation_whose_values_would_not_come_back_is_known(kind: Any) -> None:
    assert not wire.can_travel(kind)


@pytest.mark.parametrize("kind", [int, Line, Any, Exception, ValueError | None, dict[str, Line]])
def test_an_annotation_whose_values_come_back_is_known(kind: Any) -> None:
    assert wire.can_travel(kind)


@dataclass
class Tree:
    """A value that holds values of its own kind."""

    children: "list[Tree]"
    planted: datetime


def test_a_class_that_contains_itself_can_travel() -> None:
    tree = Tree([Tree([], datetime(2026, 1, 1, tzinfo=UTC))], datetime(2026, 1, 1, tzinfo=UTC))

    assert wire.can_travel(Tree)
    assert wire.mentions(Tree, msgspec.inspect.DateTimeType)
    assert not wire.mentions(Tree, msgspec.inspect.DecimalType)
    assert there_and_back(tree, Tree) == tree


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        wire.unpack(data)


def test_an_extension_that_is_not_ours_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="extension type 9"):
        wire.unpack(msgspec.msgpack.encode(msgspec.msgpack.Ext(9, b"")))


def test_an_annotated_exception_comes_back_as_that_or_is_refused() -> None:
    assert isinstance(there_and_back(KeyError("x"), LookupError), KeyError)
    assert isinstance(there_and_back(TheirError("x"), Exception), RemoteError)
    for wrong in (5, OSError("x"), TheirError("x")):
        with pytest.raises(msgspec.ValidationError):
            there_and_back(wrong, ValueError)
