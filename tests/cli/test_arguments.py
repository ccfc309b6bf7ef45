"""Words become the arguments that a job's annotations ask for, or a line naming the misfit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.cli.arguments import find_job, read_call
from app.cli.failures import Misused
from app.cli.moment import read_moment, read_span
from app.engine import by_name, job


@dataclass(frozen=True, slots=True)
class Place:
    """A value with parts."""

    name: str
    floor: int = 0


@job(name="test.meet")
async def meet(
    ctx: object,
    who: str,
    at: datetime | None = None,
    *,
    places: tuple[Place, ...] = (),
    price: Decimal = Decimal(0),
    count: int = 1,
) -> None:
    """Meet somebody."""


@job(name="test.note")
async def note(ctx: object, *lines: str) -> None:
    """Note lines."""


JOBS = by_name((meet, note))


@pytest.mark.parametrize(
    ("words", "args", "kwargs"),
    [
        (["Ann"], ("Ann",), {}),
        (["3"], ("3",), {}),
        (['"Ann"'], ('"Ann"',), {}),
        (["2+2=4"], ("2+2=4",), {}),
        (["who=a=b"], (), {"who": "a=b"}),
        (["who=Ann"], (), {"who": "Ann"}),
        (["Ann", "2026-12-24T18:00:00Z"], ("Ann", datetime(2026, 12, 24, 18, tzinfo=UTC)), {}),
        (["Ann", "null"], ("Ann", None), {}),
        (["Ann", "count=3"], ("Ann",), {"count": 3}),
        (["Ann", "price=1.50"], ("Ann",), {"price": Decimal("1.50")}),
        (["Ann", 'places=[{"name": "x"}]'], ("Ann",), {"places": (Place("x"),)}),
    ],
)
def test_words_are_read_by_the_annotations(
    words: Sequence[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    call = read_call(meet, words)

    assert (call.args, call.kwargs) == (args, kwargs)


def test_a_job_may_take_any_number_of_words() -> None:
    assert read_call(note, ["a", "b=c", "3"]).args == ("a", "b=c", "3")


@pytest.mark.case(47)
@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "missing a required argument: 'who'; it takes who: str, at: "),
        (["Ann", "soon"], "test.meet: at: Invalid RFC3339 encoded datetime"),
        (["Ann", "2026-12-24T18:00"], "at: Invalid RFC3339 encoded datetime"),
        (["Ann", "null", "more"], "too many arguments; it takes who: str"),
        (["a=b"], "test.meet: no argument is called 'a'; it takes who: str"),
        (["Ann", "cuont=3"], "no argument is called 'cuont'; it takes who: str"),
        (["Ann", "null", "dry_run=true"], "no argument is called 'dry_run'"),
        (["Ann", "count=many"], "count: Expected `int`, got `str`"),
        (["Ann", "count=1", "count=2"], "count is given twice"),
        (["Ann", "who=Bob"], "multiple values for argument 'who'"),
        (["Ann", "2026-12-24T18:00:00"], "2026-12-24T18:00:00 has no time zone"),
        (["Ann", 'places=[{"floor": 1}]'], "places: "),
    ],
)
def test_a_misfit_is_named(words: Sequence[str], line: str) -> None:
    with pytest.raises(Misused) as refused:
        read_call(meet, words)

    assert line in str(refused.value)
    assert str(refused.value).startswith("test.meet: ")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("meet", "did you mean test.meet?"),
        ("test.meat", "did you mean test.meet or test.note?"),
        ("xyz", "there are test.meet, test.note"),
    ],
)
def test_an_unknown_job_is_answered_with_close_names(name: str, line: str) -> None:
    with pytest.raises(Misused, match=name) as refused:
        find_job(JOBS, name)

    assert str(refused.value).endswith(line)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90", timedelta(seconds=90)),
        ("1.5m", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1d 12h", timedelta(hours=36)),
        ("1h30", timedelta(hours=1, seconds=30)),
    ],
)
def test_a_span_is_read(text: str, span: timedelta) -> None:
    assert read_span(text) == span


@pytest.mark.case(47)
@pytest.mark.timeout(5)  # s; reading one takes time in proportion to its length
@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "-5", "5y", "5 m!", "h", "1 30m", "999999999999d"),
        *("1" * 34 + "x", "1h" * 24 + "x", "9" * 400 + "d", "1" * 100_000 + "x"),
    ],
    ids=lambda text: text[:40] or "nothing",
)
def test_what_is_no_span_is_a_misuse(text: str) -> None:
    with pytest.raises(Misused, match="--delay") as refused:
        read_span(text)

    assert len(str(refused.value)) < 120


def test_a_moment_without_an_offset_is_meant_in_the_zone() -> None:
    zone = ZoneInfo("Europe/Vilnius")

    assert read_moment("2026-12-24 18:00", zone) == datetime(2026, 12, 24, 16, tzinfo=UTC)
    assert read_moment("2026-12-24T18:00Z", zone) == datetime(2026, 12, 24, 18, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "tomorrow", "18:00", "2026-13-01"])
def test_what_is_no_moment_is_a_misuse(text: str) -> None:
    with pytest.raises(Misused, match="--at"):
        read_moment(text, ZoneInfo("UTC"))
