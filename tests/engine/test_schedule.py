"""Cron expressions against a second, independent reading of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from zoneinfo import ZoneInfo

import pytest

from app.engine import Cron, DeclarationError, Duplicate, schedule
from app.engine.schedule import refuse_duplicates
from tests.engine.jobs import write

MINUTE = timedelta(minutes=1)
NAMES = {name: n for n, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
MONTHS = {
    name: n
    for n, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}


def numbers(field: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    """Every value that a field means: the slow way, one character class at a time."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if first == "*" else names.get(first, -1) if first in names else int(first)
        end = high if first == "*" else (names.get(last) or int(last)) if last else start
        found |= set(range(start, end + 1, int(step or 1)))
    return found


class Reading:
    """An expression, taken apart."""

    def __init__(self, expression: str) -> None:
        minute, hour, day, month, weekday = expression.split()
        self.minutes, self.hours = numbers(minute, 0, 59, {}), numbers(hour, 0, 23, {})
        self.days, self.months = numbers(day, 1, 31, {}), numbers(month, 1, 12, MONTHS)
        self.weekdays = {each % 7 for each in numbers(weekday, 0, 7, NAMES)}
        self.is_either_day = "*" not in (day[0], weekday[0])
        self.goes_by_real_time = "*" in (minute[0], hour[0])

    def matches(self, wall: datetime) -> bool:
        """Whether a moment on a wall clock is a tick."""
        if wall.minute not in self.minutes or wall.hour not in self.hours:
            return False
        by_day, by_week = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        is_day = by_day or by_week if self.is_either_day else by_day and by_week
        return is_day and wall.month in self.months


def walked(expression: str, zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """Every tick of a stretch of time, found minute by minute.

    A wall time that a zone skips counts at the end of the gap, one it repeats counts once;
    an expression for every hour or minute goes by real time.
    """
    reading = Reading(expression)
    before = (first - MINUTE).astimezone(zone).replace(tzinfo=None)
    for n in range((last - first) // MINUTE):
        moment = first + MINUTE * n
        aware = moment.astimezone(zone)
        wall = aware.replace(tzinfo=None, fold=0)
        skipped = [before + MINUTE * n for n in range(1, (wall - before) // MINUTE)]
        before = wall
        if reading.goes_by_real_time:
            is_tick = reading.matches(wall)
        else:
            is_tick = any(map(reading.matches, [*skipped, *([] if aware.fold else [wall])]))
        if is_tick:
            yield moment


def ticks(cron: Cron, first: datetime, last: datetime) -> list[datetime]:
    found: list[datetime] = []
    moment = first - timedelta(seconds=1)
    while (moment := cron.next_after(moment)) < last:
        found.append(moment)
    return found


YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("expression", "tz"),
    [
        ("0 3 * * sun", "UTC"),
        ("0 3 * * sun", "Europe/Vilnius"),
        ("30 2 * * *", "Australia/Lord_Howe"),
        ("30 2 * * *", "America/New_York"),
        ("15 1,2,3 * * *", "Europe/Vilnius"),
        ("0 8 * * mon-fri", "America/New_York"),
        ("0 0 1 */3 *", "Asia/Kathmandu"),
        ("0 12 13 * fri", "UTC"),
        ("45 23 28-31 feb-apr 1-5", "Pacific/Auckland"),
    ],
)
def test_a_year_of_ticks_equals_a_walk_through_its_minutes(expression: str, tz: str) -> None:
    cron = Cron(expression=expression, tz=tz)

    assert ticks(cron, *YEAR) == list(walked(expression, ZoneInfo(tz), *YEAR))


@pytest.mark.parametrize("tz", ["Europe/Vilnius", "America/New_York", "Pacific/Auckland"])
@pytest.mark.parametrize("expression", ["* * * * *", "*/7 * * * *", "30 * * * *", "*/20 2 * * *"])
@pytest.mark.parametrize("month", [3, 4, 10, 11])
def test_ticks_within_the_hour_go_on_through_a_change_of_clocks(
    expression: str, tz: str, month: int
) -> None:
    cron = Cron(expression=expression, tz=tz)
    first = datetime(2026, month, 1, tzinfo=UTC)
    stretch = (first, first + timedelta(days=8))

    assert ticks(cron, *stretch) == list(walked(expression, ZoneInfo(tz), *stretch))


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_sunday_is_sunday(sunday: str) -> None:
    cron = Cron(expression=f"0 3 * * {sunday}")

    days = {tick.strftime("%A") for tick in ticks(cron, *YEAR)}

    assert days == {"Sunday"}


def test_a_tick_in_the_hour_a_zone_skips_fires_once_right_after_it() -> None:
    cron = Cron(expression="30 3 * * *", tz="Europe/Vilnius")  # 3:00 to 4:00 is missing that day
    day = datetime(2026, 3, 29, tzinfo=UTC)

    assert ticks(cron, day, day + timedelta(hours=12)) == [day.replace(hour=1)]


def test_a_tick_in_the_hour_a_zone_repeats_fires_once() -> None:
    cron = Cron(expression="30 3 * * *", tz="Europe/Vilnius")  # 3:00 to 4:00 comes twice that day
    day = datetime(2026, 10, 25, tzinfo=UTC)

    assert ticks(cron, day, day + timedelta(hours=12)) == [day.replace(minute=30)]


def test_midday_stays_midday_when_clocks_change() -> None:
    zone = ZoneInfo("Europe/Vilnius")
    cron = Cron(expression="0 12 * * *", tz="Europe/Vilnius")

    assert {tick.astimezone(zone).hour for tick in ticks(cron, *YEAR)} == {12}


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "* * * * nosuchday",
        "*/0 * * * *",
        "-1 * * * *",
        "1-0-3 * * * *",
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "a b c d e",
        "\x00 * * * *",
    ],
)
def test_an_expression_that_never_ticks_is_refused_fast(expression: str) -> None:
    start = monotonic()

    with pytest.raises(DeclarationError):
        Cron(expression=expression)

    assert monotonic() - start < 1


@pytest.mark.parametrize(
    "tz", ["", "Mars/Olympus", "Europe", "../../etc/passwd", "UTC ", "\0", "a" * 300]
)
def test_a_zone_that_does_not_exist_is_refused(tz: str) -> None:
    with pytest.raises(DeclarationError, match="in"):
        Cron(expression="* * * * *", tz=tz)


@pytest.mark.parametrize("tz", ["UTC", "Europe/Vilnius", "Australia/Lord_Howe"])
@pytest.mark.parametrize("expression", ["*/20 * * * *", "30 3 * * *", "30 2 * * *", "0 */2 * * *"])
@pytest.mark.parametrize(
    "day", [datetime(2026, 4, 5), datetime(2026, 3, 29), datetime(2026, 10, 25)]
)
def test_the_last_tick_before_a_moment_is_the_last_one_found_going_forward(
    expression: str, tz: str, day: datetime
) -> None:
    cron = Cron(expression=expression, tz=tz)
    first = day.replace(tzinfo=UTC) - timedelta(days=1)
    forward = ticks(cron, first, first + timedelta(days=3))

    for half_hours in range(24, 120):
        until = first + timedelta(minutes=30 * half_hours, seconds=11)
        expected = max((tick for tick in forward if tick <= until), default=None)
        assert cron.last_between(first, until) == expected, until


def test_between_two_ticks_there_is_none() -> None:
    cron = Cron(expression="0 0 * * *")
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert cron.last_between(noon, noon + timedelta(hours=11)) is None


def test_a_tick_that_is_now_counts_and_one_that_fired_does_not() -> None:
    cron = Cron(expression="0 0 * * *")
    midnight = datetime(2026, 1, 1, tzinfo=UTC)

    assert cron.last_between(midnight - MINUTE, midnight) == midnight
    assert cron.last_between(midnight, midnight + MINUTE) is None


def test_a_long_absence_costs_no_more_than_a_short_one() -> None:
    cron = Cron(expression="* * * * *")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    start = monotonic()

    assert cron.last_between(datetime(1990, 1, 1, tzinfo=UTC), now) == now

    assert monotonic() - start < 0.1


def test_a_rare_tick_is_found_after_a_long_absence() -> None:
    cron = Cron(expression="0 0 29 2 *")
    found = cron.last_between(datetime(1990, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))

    assert found == datetime(2024, 2, 29, tzinfo=UTC)


def test_a_schedule_is_named_after_its_job_unless_told() -> None:
    assert schedule("* * * * *", write.call("x")).name == "test.write"
    assert schedule("* * * * *", write.call("x"), name="often").name == "often"


def test_two_schedules_of_one_name_are_refused() -> None:
    twice = [schedule("* * * * *", write.call(text)) for text in "ab"]

    with pytest.raises(Duplicate, match=r"test\.write"):
        refuse_duplicates(twice)
