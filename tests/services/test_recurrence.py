import calendar
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.bad_field import BadSchedule
from app.services.recurrence import (
    Cron,
    Daily,
    Interval,
    Monthly,
    Once,
    Schedule,
    Weekly,
)
from tests.plugins.cases import Case
from tests.services.minute_walker import walk

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")

# A zone, and a day near which its clocks did something.
TURNS = [
    ("Europe/Berlin", datetime(2026, 3, 29)),
    ("Europe/Berlin", datetime(2026, 10, 25)),
    ("America/New_York", datetime(2026, 3, 8)),
    ("America/New_York", datetime(2026, 11, 1)),
    ("Australia/Lord_Howe", datetime(2026, 4, 5)),  # by half an hour
    ("Australia/Lord_Howe", datetime(2026, 10, 4)),
    ("America/Santiago", datetime(2026, 9, 6)),  # midnight left out
    ("America/Santiago", datetime(2026, 4, 5)),  # 23:xx twice
    ("America/Nuuk", datetime(2024, 3, 31)),  # from 23:00 to the next day
    ("America/St_Johns", datetime(2006, 10, 29)),  # at 00:01, back to the day before
    ("Pacific/Apia", datetime(2011, 12, 30)),  # a whole day left out
    ("Asia/Kolkata", datetime(2028, 2, 29)),  # a leap day, clocks unchanged
]


@st.composite
def near_a_turn(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    name, day = draw(st.sampled_from(TURNS))
    away = draw(st.integers(-3 * 86_400, 2 * 86_400))
    return ZoneInfo(name), (day + timedelta(seconds=away)).replace(tzinfo=UTC)


def runs_of(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Its runs after `after`, each found from the one before."""
    at = schedule.next_run(after)
    while at is not None:
        yield at
        at = schedule.next_run(at)


hours, minutes_ = st.integers(0, 23), st.integers(0, 59)


@given(near_a_turn(), hours, minutes_)
@settings(deadline=None, max_examples=150)
def test_a_daily_task_runs_when_a_minute_walker_says(
    near: tuple[ZoneInfo, datetime], hour: int, minute: int
) -> None:
    zone, after = near

    found = Daily(hour, minute, zone=zone).next_run(after)

    at = (hour, minute)
    assert found == walk(after, zone, lambda wall: (wall.hour, wall.minute) == at, for_days=3)


@given(near_a_turn(), st.sets(st.integers(0, 6), min_size=1), hours, minutes_)
@settings(deadline=None, max_examples=60)
def test_a_weekly_task_runs_when_a_minute_walker_says(
    near: tuple[ZoneInfo, datetime], weekdays: set[int], hour: int, minute: int
) -> None:
    zone, after = near

    found = Weekly(tuple(weekdays), hour, minute, zone=zone).next_run(after)

    assert found == walk(
        after,
        zone,
        lambda wall: wall.weekday() in weekdays and (wall.hour, wall.minute) == (hour, minute),
        for_days=15,
    )


@given(near_a_turn(), st.sampled_from([1, 15, 28, 29, 30, 31]), hours)
@settings(deadline=None, max_examples=30)
def test_a_monthly_task_runs_when_a_minute_walker_says(
    near: tuple[ZoneInfo, datetime], day: int, hour: int
) -> None:
    zone, after = near

    found = Monthly(day, hour, 30, zone=zone).next_run(after)

    def matches(wall: datetime) -> bool:
        is_last = wall.day == calendar.monthrange(wall.year, wall.month)[1]
        fits = wall.day == day or (is_last and wall.day < day)
        return fits and (wall.hour, wall.minute) == (hour, 30)

    assert found == walk(after, zone, matches, for_days=63)


@given(near_a_turn(), st.sampled_from([5, 15, 20, 30]))
@settings(deadline=None, max_examples=60)
def test_a_cron_rhythm_runs_when_a_minute_walker_says(
    near: tuple[ZoneInfo, datetime], every: int
) -> None:
    zone, after = near

    found = Cron(f"*/{every} * * * *", zone=zone).next_run(after)

    assert found == walk(
        after, zone, lambda wall: wall.minute % every == 0, for_days=2, as_shown=True
    )


@given(near_a_turn(), st.sets(hours, min_size=1, max_size=3), minutes_)
@settings(deadline=None, max_examples=60)
def test_a_cron_expression_with_times_runs_when_a_minute_walker_says(
    near: tuple[ZoneInfo, datetime], at_hours: set[int], minute: int
) -> None:
    zone, after = near

    found = Cron(f"{minute} {','.join(map(str, at_hours))} * * *", zone=zone).next_run(after)

    assert found == walk(
        after, zone, lambda wall: wall.hour in at_hours and wall.minute == minute, for_days=3
    )


FIELDS = (
    st.sampled_from(["*", "0", "*/7", "5,35", "10-20/3", "59"]),
    st.sampled_from(["*", "0", "3", "*/5", "8-17", "22,4"]),
    st.sampled_from(["*", "1", "15", "29", "30", "31", "L", "LW", "*/10", "1-7"]),
    st.sampled_from(["*", "1,3,5", "FEB", "*/4", "10-12"]),
    st.sampled_from(["*", "MON-FRI", "0", "7", "SUN", "2#2", "5L", "3"]),
)


@given(st.tuples(*FIELDS), st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1)))
@settings(deadline=None, max_examples=200)
def test_a_cron_expression_means_what_cronsim_says(fields: tuple[str, ...], when: datetime) -> None:
    expression, after = " ".join(fields), when.replace(tzinfo=UTC)
    try:
        expected = next(CronSim(expression, after))
    except (CronSimError, StopIteration):  # it is none, or it never happens
        with pytest.raises(BadSchedule):
            Cron(expression, zone=ZoneInfo("UTC"))
    else:
        assert Cron(expression, zone=ZoneInfo("UTC")).next_run(after) == expected


schedules = st.one_of(
    st.builds(Daily, hours, minutes_, zone=st.just(BERLIN)),
    st.builds(
        Weekly,
        st.lists(st.integers(0, 6), min_size=1).map(tuple),
        hours,
        minutes_,
        zone=st.just(NEW_YORK),
    ),
    st.builds(Monthly, st.integers(1, 31), hours, minutes_, zone=st.just(BERLIN)),
    st.builds(
        Cron, st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 0 29 2 *"]), zone=st.just(BERLIN)
    ),
    st.builds(
        Interval,
        st.integers(1, 10**7).map(lambda n: timedelta(seconds=n)),
        since=st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    ),
)


@given(schedules, st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
@settings(deadline=None, max_examples=300)
def test_the_next_run_is_later_in_utc_and_nothing_lies_between(
    schedule: Schedule, after: datetime
) -> None:
    found = schedule.next_run(after)

    assert found is not None
    assert found > after
    assert found.tzinfo is UTC
    assert schedule.next_run(found - timedelta(microseconds=1)) == found


def test_a_daily_task_in_the_spring_gap_runs_once_when_the_gap_ends() -> None:
    daily = Daily(2, 30, zone=BERLIN)

    first, second = islice(runs_of(daily, datetime(2026, 3, 28, 12, tzinfo=UTC)), 2)

    assert first == datetime.fromisoformat("2026-03-29T03:00:00+02:00")
    assert second == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_daily_task_in_the_autumn_fold_runs_once() -> None:
    daily = Daily(2, 30, zone=BERLIN)

    first, second = islice(runs_of(daily, datetime(2026, 10, 24, 12, tzinfo=UTC)), 2)

    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert second == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.case(31)
@pytest.mark.parametrize(
    ("day", "runs"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-06-01", 96)]
)
def test_every_quarter_of_an_hour_keeps_its_rhythm_over_a_turn(day: str, runs: int) -> None:
    cron = Cron("*/15 * * * *", zone=BERLIN)
    begins = datetime.fromisoformat(day).replace(tzinfo=BERLIN)

    found = [*islice(runs_of(cron, begins.astimezone(UTC) - timedelta(seconds=1)), runs + 1)]

    assert [at.astimezone(BERLIN).date() == begins.date() for at in found].count(True) == runs
    assert {later - one for one, later in pairwise(found)} == {timedelta(minutes=15)}


@pytest.mark.case(31)
@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Europe/Berlin", "2026-01-01", "2026-12-31"),
        ("America/Santiago", "2026-01-01", "2026-12-31"),
        ("Australia/Lord_Howe", "2026-01-01", "2026-12-31"),
        ("Africa/Casablanca", "2026-01-01", "2026-12-31"),
        ("Pacific/Apia", "2011-12-01", "2012-01-31"),
    ],
)
def test_a_daily_task_runs_once_on_each_date_that_exists(
    zone: str, first: str, last: str, case: Case
) -> None:
    there = ZoneInfo(zone)
    start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    daily = Daily(0, 15, zone=there)

    runs = (at.astimezone(there) for at in runs_of(daily, start.replace(tzinfo=there)))
    dates = [at.date().isoformat() for at in takewhile(lambda at: at.date() < end.date(), runs)]

    days = ((start + timedelta(days=n)).date().isoformat() for n in range((end - start).days))
    case.says(
        f"a daily task at 00:15 in {zone} from {first} to {last}",
        arq="a date that never comes stalls it for 3.0 s",
        steward=f"{len(dates)} runs, one on each date that exists",
    )
    assert dates == [day for day in days if (zone, day) != ("Pacific/Apia", "2011-12-30")]


def test_a_weekly_task_still_runs_later_today() -> None:
    monday = datetime(2026, 11, 23, 8, tzinfo=UTC)

    assert Weekly((0,), 10, 0, zone=BERLIN).next_run(monday) == monday + timedelta(hours=1)
    assert Weekly((0,), 9, 0, zone=BERLIN).next_run(monday) == monday + timedelta(days=7)


def test_weekdays_may_come_unsorted_and_twice() -> None:
    assert Weekly((4, 0, 4), 9, 0, zone=BERLIN) == Weekly((0, 4), 9, 0, zone=BERLIN)


def test_a_month_too_short_has_its_31st_on_its_last_day() -> None:
    monthly = Monthly(31, 9, 0, zone=ZoneInfo("UTC"))

    runs = islice(runs_of(monthly, datetime(2028, 1, 1, tzinfo=UTC)), 5)

    assert [f"{at:%m-%d}" for at in runs] == ["01-31", "02-29", "03-31", "04-30", "05-31"]


def test_an_interval_is_counted_from_its_start_however_late_a_run_was() -> None:
    since = datetime(2026, 11, 23, 10, tzinfo=UTC)
    hourly = Interval(timedelta(hours=1), since=since)

    assert hourly.next_run(since) == since + timedelta(hours=1)
    assert hourly.next_run(since + timedelta(hours=5, minutes=7)) == since + timedelta(hours=6)
    assert hourly.next_run(since - timedelta(days=1)) == since + timedelta(hours=1)


def test_once_is_over_when_its_moment_has_come() -> None:
    at = datetime(2026, 11, 24, 9, tzinfo=BERLIN)

    assert Once(at).next_run(at - timedelta(seconds=1)) == at
    assert Once(at).next_run(at) is None


@pytest.mark.parametrize(
    "expression",
    [
        "", "*", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "0 0 0 * *", "0 0 32 * *",
        "0 0 30 2 *", "0 0 31 4,6 *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *",
        "every day", "0 9 * * mon-", "@daily", "a b c d e", "* * * * ; rm", "1" * 5000 + " * * * *",
        "* * */10 FEB 5L",
    ],
)  # fmt: skip
def test_what_is_no_cron_expression_is_refused_by_name(expression: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        Cron(expression, zone=BERLIN)

    assert refused.value.field == "cron"


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("hour", lambda: Daily(24, 0, zone=BERLIN)),
        ("hour", lambda: Weekly((0,), -1, 0, zone=BERLIN)),
        ("minute", lambda: Daily(9, 60, zone=BERLIN)),
        ("weekdays", lambda: Weekly((), 9, 0, zone=BERLIN)),
        ("weekdays", lambda: Weekly((0, 7), 9, 0, zone=BERLIN)),
        ("day", lambda: Monthly(0, 9, 0, zone=BERLIN)),
        ("day", lambda: Monthly(32, 9, 0, zone=BERLIN)),
        ("run_at", lambda: Once(datetime(2026, 11, 24, 9))),
        ("run_at", lambda: Once(datetime(9999, 12, 31, tzinfo=UTC))),
        (
            "interval_minutes",
            lambda: Interval(timedelta(0), since=datetime(2026, 1, 1, tzinfo=UTC)),
        ),
        (
            "interval_minutes",
            lambda: Interval(timedelta.max, since=datetime(2026, 1, 1, tzinfo=UTC)),
        ),
        ("since", lambda: Interval(timedelta(hours=1), since=datetime(2026, 1, 1))),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_naming_the_field(
    field: str, make: Callable[[], Schedule]
) -> None:
    with pytest.raises(BadSchedule, match=f"^{field}: ") as refused:
        make()

    assert refused.value.field == field
