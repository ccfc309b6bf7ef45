"""What a job may be called with."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import BadArguments, DeclarationError
from app.engine.signature import Signature
from tests.engine.test_wire import LINES, MOMENTS, POINTS, Colour, Line, Point

if TYPE_CHECKING:
    from tests.engine.test_wire import Tree

NAIVE = datetime(2026, 1, 1)
AWARE = NAIVE.replace(tzinfo=UTC)


def of(function: Any) -> Signature:
    return Signature.of(function, name="test.job")


async def everything(
    ctx: object,
    number: int,
    /,
    moment: datetime,
    day: date = date(2026, 1, 1),
    *rest: UUID,
    price: Decimal,
    colour: Colour = Colour.RED,
    **others: timedelta,
) -> Line:
    """Take one of each kind of parameter."""
    raise NotImplementedError


async def typed(ctx: object, line: Line, point: Point, *, error: Exception) -> None:
    """Take values that hold values."""


async def loose(ctx: object, anything: Any, values: list[datetime] | None = None) -> None:
    """Take anything."""


def there_and_back(
    signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments as a worker gets them."""
    packed = signature.pack(args, kwargs)
    return signature.unpack(packed.args, packed.kwargs)


@given(
    number=st.integers(-(2**63), 2**63),
    moment=MOMENTS,
    rest=st.lists(st.uuids(), max_size=4),
    price=st.decimals(allow_nan=False),
    others=st.dictionaries(st.sampled_from(["a", "b", "number"]), st.timedeltas()),
)
def test_every_kind_of_parameter_comes_back_as_annotated(
    number: int,
    moment: datetime,
    rest: list[UUID],
    price: Decimal,
    others: dict[str, timedelta],
) -> None:
    signature = of(everything)
    args = (number, moment, date(2026, 2, 2), *rest)
    kwargs = {"price": price, "colour": Colour.BLUE, **others}

    back = there_and_back(signature, args, kwargs)

    assert back == (args, kwargs)
    assert all(type(value) is type(kwargs[name]) for name, value in back[1].items())


@given(line=LINES, point=POINTS)
def test_dataclasses_come_back_whether_by_position_or_by_name(line: Line, point: Point) -> None:
    signature = of(typed)

    args, kwargs = there_and_back(signature, (line,), {"point": point, "error": ValueError("x")})

    assert args == (line,)
    assert kwargs["point"] == point
    assert isinstance(kwargs["error"], ValueError)


def test_defaults_do_not_travel() -> None:
    signature = of(everything)

    args, kwargs = there_and_back(signature, (1, AWARE), {"price": Decimal(1)})

    assert (args, kwargs) == ((1, AWARE), {"price": Decimal(1)})


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((1,), {"price": Decimal(1)}),
        ((1, AWARE), {}),
        (("1", AWARE), {"price": Decimal(1)}),
        ((True, AWARE), {"price": Decimal(1)}),
        ((1.5, AWARE), {"price": Decimal(1)}),
        ((None, AWARE), {"price": Decimal(1)}),
        ((2**70, AWARE), {"price": Decimal(1)}),
        ((1, "tomorrow"), {"price": Decimal(1)}),
        ((1, NAIVE), {"price": Decimal(1)}),
        ((1, "2026-01-01T00:00:00"), {"price": Decimal(1)}),
        ((1, AWARE, NAIVE), {"price": Decimal(1)}),
        ((1, AWARE, date(2026, 1, 1), "no uuid"), {"price": Decimal(1)}),
        ((1, AWARE), {"price": "no number"}),
        ((1, AWARE), {"price": Decimal(1), "colour": "green"}),
        ((1, AWARE), {"price": Decimal(1), "other": 5}),
        ((1, AWARE), {"price": Decimal(1), "moment": AWARE}),
        ((1,), {"price": Decimal(1), "moment": NAIVE}),
        ((1,), {"price": Decimal(1), "moment": 5}),
        ((1, AWARE, date(2026, 1, 1), *[UUID(int=1)] * 13), {"price": Decimal(1)}),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(BadArguments, match=r"^test\.job: "):
        of(everything).pack(args, kwargs)


class Struct(msgspec.Struct):
    """Another kind of value."""

    moment: datetime


@dataclass
class Holder:
    """A value that may hold anything."""

    what: Any


@pytest.mark.parametrize(
    "value",
    [
        NAIVE,
        [NAIVE],
        {"a": (1, [NAIVE])},
        {NAIVE: 1},
        {NAIVE},
        frozenset({NAIVE}),
        Holder(NAIVE),
        Holder([{"x": Holder(NAIVE)}]),
        Struct(NAIVE),
    ],
)
def test_a_naive_datetime_is_refused_wherever_it_hides(value: object) -> None:
    with pytest.raises(BadArguments, match="no time zone"):
        of(loose).pack((value,), {})
    with pytest.raises(BadArguments, match="no time zone"):
        of(loose).pack((), {"anything": value})


@pytest.mark.parametrize("value", [[NAIVE], ["2026-01-01T00:00:00"]])
def test_a_naive_datetime_in_a_list_is_refused(value: object) -> None:
    with pytest.raises(BadArguments, match="no time zone"):
        of(loose).pack((1, value), {})


def test_values_nested_deeper_than_python_calls_are_looked_through() -> None:
    nested: list[Any] = [NAIVE]
    for _ in range(400):
        nested = [nested]

    with pytest.raises(BadArguments, match="no time zone"):
        of(loose).pack((nested,), {})


def test_a_misfit_names_the_parameter() -> None:
    with pytest.raises(BadArguments, match="moment"):
        of(everything).pack((1, "tomorrow"), {"price": Decimal(1)})
    with pytest.raises(BadArguments, match="`colour`"):
        of(everything).pack((1, AWARE), {"price": Decimal(1), "colour": "green"})


@dataclass
class Choosy:
    """A dataclass that checks itself, in its own way."""

    number: int

    def __post_init__(self) -> None:
        """Refuse what is odd."""
        if self.number % 2:
            raise KeyError("odd")


async def choose(ctx: object, choosy: Choosy) -> None:
    """Take a choosy value."""


def test_what_a_dataclass_raises_about_itself_is_a_misfit() -> None:
    signature = of(choose)

    assert there_and_back(signature, ({"number": 2},), {}) == ((Choosy(2),), {})
    with pytest.raises(BadArguments, match="KeyError"):
        signature.pack(({"number": 1},), {})


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_arguments_or_refused(args: bytes, kwargs: bytes) -> None:
    with suppress(BadArguments):
        of(everything).unpack(msgspec.Raw(args or b"\x90"), msgspec.Raw(kwargs or b"\x80"))


def test_missing_says_what_a_stored_call_lacks() -> None:
    signature = of(everything)

    assert signature.missing((1, AWARE), {"price": Decimal(1)}) is None
    assert "price" in (signature.missing((1, AWARE), {}) or "")


async def unresolved(ctx: object, tree: "Tree") -> None:
    """Name a type that only a type checker knows."""


async def holds_a_client(ctx: object, client: object) -> None:
    """Take what can't travel."""


async def returns_a_class(ctx: object) -> type:
    """Return what can't travel."""
    return type(ctx)


async def no_context() -> None:
    """Take nothing."""


async def context_by_name(*, ctx: object) -> None:
    """Take the context in the wrong place."""


def not_async(ctx: object) -> None:
    """Block."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (unresolved, "Tree"),
        (holds_a_client, "`client`"),
        (returns_a_class, "result"),
        (no_context, "context"),
        (context_by_name, "context"),
        (not_async, "async"),
    ],
)
def test_a_job_that_could_not_be_called_is_refused_when_declared(function: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=rf"(?s)test\.job.*{said}"):
        of(function)
