"""When arq's cron jobs are due: by the same rules as in arq, but where clocks are changed."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from arq import cron
from arq.cron import next_cron
from hypothesis import given
from hypothesis import strategies as st

from app.engine import DeclarationError
from app.engine.dropin.cron import Ticks

BERLIN = ZoneInfo("Europe/Berlin")


async def water(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None: ...


def field(*numbers: int) -> st.SearchStrategy[Any]:
    some = st.sets(st.sampled_from(numbers), min_size=1, max_size=3)
    return st.none() | st.sampled_from(numbers) | some


OPTIONS = st.fixed_dictionaries(
    {
        "month": field(*range(1, 13)),
        "day": field(*range(1, 29)),
        "weekday": field(*range(7)) | st.sampled_from(["mon", "tues", "sun"]),
        "hour": field(*range(24)),
        "minute": field(*range(60)),
        "second": field(*range(60)),
        "microsecond": st.sampled_from([0, 123_456, 999_999]),
    }
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))


@given(options=OPTIONS, moment=MOMENTS)
def test_the_next_tick_is_arqs(options: dict[str, Any], moment: datetime) -> None:
    ours = Ticks.of(cron(water, **options), UTC).next_after(moment)

    theirs = next_cron(moment, **options)
    is_overlooked = moment < ours <= moment + timedelta(seconds=1)  # arq begins a second later
    assert ours == theirs or is_overlooked


def ticks(zone: Any, since: str, count: int, **options: Any) -> list[str]:
    """The next ticks, as the clocks there show them."""
    found, moment = Ticks.of(cron(water, microsecond=0, **options), zone), _moment(since)
    shown: list[str] = []
    for _ in range(count):
        moment = found.next_after(moment)
        shown.append(f"{moment.astimezone(zone):%d %H:%M:%S}")
    return shown


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


QUARTERS = {0, 15, 30, 45}


def test_every_quarter_of_an_hour_is_one_when_clocks_go_forward() -> None:
    found = ticks(BERLIN, "2026-03-29T01:40", 3, minute=QUARTERS)

    assert found == ["29 01:45:00", "29 03:00:00", "29 03:15:00"]


def test_every_quarter_of_an_hour_is_one_when_clocks_go_back() -> None:
    found = ticks(BERLIN, "2026-10-25T02:40", 6, minute=QUARTERS)

    again = ["25 02:00:00", "25 02:15:00", "25 02:30:00", "25 02:45:00"]
    assert found == ["25 02:45:00", *again, "25 03:00:00"]


def test_a_time_of_day_comes_once_a_day_whatever_clocks_do() -> None:
    forward = ticks(BERLIN, "2026-03-28T12:00", 2, hour=2, minute=30)
    back = ticks(BERLIN, "2026-10-24T12:00", 2, hour=2, minute=30)

    assert forward == ["29 03:00:00", "30 02:30:00"]
    assert back == ["25 02:30:00", "26 02:30:00"]


def test_a_day_and_a_weekday_must_both_fit() -> None:
    found = Ticks.of(cron(water, day=13, weekday="fri", hour=1, minute=2), UTC)

    assert found.next_after(datetime(2026, 4, 1, tzinfo=UTC)).date().isoformat() == "2026-11-13"


def test_seconds_may_be_many() -> None:
    assert ticks(UTC, "2026-01-01T10:59:30", 3, second={10, 40}) == [
        "01 09:59:40",
        "01 10:00:10",
        "01 10:00:40",
    ]


class LikePytz(tzinfo):
    """A zone of pytz: an instance of it has one offset, whatever the moment."""

    zone = "Europe/Berlin"

    def utcoffset(self, _moment: datetime | None, /) -> timedelta:
        return timedelta(hours=1)

    def tzname(self, _moment: datetime | None, /) -> str:
        return "CET"

    def dst(self, _moment: datetime | None, /) -> timedelta:
        return timedelta(0)


def test_a_zone_of_pytz_changes_its_clocks_too() -> None:
    found = Ticks.of(cron(water, hour=8, minute=0), LikePytz())

    assert found.next_after(_moment("2026-03-29T00:00")).hour == 6  # in UTC: it is summer by then


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"month": 2, "day": 30}, "Bad day-of-month"),
        ({"hour": 24}, "hour can't be 24"),
        ({"weekday": "tue"}, "weekday can't be 'tue'"),
        ({"minute": set[int]()}, "minute can't be set"),
        ({"second": {1.5}}, "second can't be"),
    ],
)
def test_a_cron_job_that_never_comes_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=f"cron:water is never due: {said}"):
        Ticks.of(cron(water, **options), UTC)
