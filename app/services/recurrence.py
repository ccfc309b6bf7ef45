"""When a user's task runs: once, daily, weekly, monthly, by a cron expression, at an interval.

Pure values. Each is checked when made and names the field it refuses, so that no broken schedule
is stored to fail later. `next_run(after)` is in UTC and strictly later than `after`; None when
there is no further run. Times are those on the wall in the user's zone: `wall_clock` says what
becomes of them when the clocks change.

A cron expression has five fields and Debian's manners. One that names its hours and minutes
(`30 2 * * *`) means those times of the day, once each. One whose hour or minute begins with a star
(`*/15 * * * *`) means a rhythm: it goes on through a repeated hour and leaves out a missing one.
"""

import calendar
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from app.services.bad_field import BadSchedule
from app.services.wall_clock import first_after

_MOST_OFTEN = timedelta(seconds=1)
_LEAST_OFTEN = timedelta(days=3660)  # more than ten years between two runs is a slip of units
_LATEST_YEAR = 9000  # leaves room for arithmetic with zones
_LONGEST_CRON = 200
_CRON_FIELDS = 5


@dataclass(frozen=True, slots=True)
class Once:
    """At one moment."""

    at: datetime

    def __post_init__(self) -> None:
        """Refuse a moment without a zone, or past the calendar."""
        _refuse(self.at.tzinfo is None, "run_at", "needs a time zone")
        _refuse(self.at.year > _LATEST_YEAR, "run_at", f"must be before the year {_LATEST_YEAR}")

    def next_run(self, after: datetime) -> datetime | None:
        """The moment itself, until it has come."""
        return self.at.astimezone(UTC) if self.at > after else None


@dataclass(frozen=True, slots=True)
class Daily:
    """Every day at one time."""

    hour: int
    minute: int
    _: KW_ONLY
    zone: ZoneInfo

    def __post_init__(self) -> None:
        """Refuse a time that no clock shows."""
        _check_time(self.hour, self.minute)

    def next_run(self, after: datetime) -> datetime | None:
        """Today if it is still to come, otherwise tomorrow."""
        at = (time(self.hour, self.minute),)
        return first_after(after, self.zone, falls_on=lambda _: True, times=at)


@dataclass(frozen=True, slots=True)
class Weekly:
    """On some weekdays (0 is Monday) at one time."""

    weekdays: tuple[int, ...]
    hour: int
    minute: int
    _: KW_ONLY
    zone: ZoneInfo

    def __post_init__(self) -> None:
        """Refuse no weekdays, or one outside 0 to 6; keep them sorted, each once."""
        _refuse(not self.weekdays, "weekdays", "name at least one, from 0 (Monday) to 6 (Sunday)")
        for each in self.weekdays:
            _check_number("weekdays", each, 0, 6)
        _check_time(self.hour, self.minute)
        object.__setattr__(self, "weekdays", tuple(sorted(set(self.weekdays))))

    def next_run(self, after: datetime) -> datetime | None:
        """The next of its weekdays; today counts while the time is still to come."""
        at = (time(self.hour, self.minute),)
        return first_after(
            after, self.zone, falls_on=lambda day: day.weekday() in self.weekdays, times=at
        )


@dataclass(frozen=True, slots=True)
class Monthly:
    """On one day of every month at one time; a month too short has it on its last day."""

    day: int
    hour: int
    minute: int
    _: KW_ONLY
    zone: ZoneInfo

    def __post_init__(self) -> None:
        """Refuse a day that no month has."""
        _check_number("day", self.day, 1, 31)
        _check_time(self.hour, self.minute)

    def next_run(self, after: datetime) -> datetime | None:
        """This month if it is still to come, otherwise next month."""
        at = (time(self.hour, self.minute),)
        return first_after(after, self.zone, falls_on=self._falls_on, times=at)

    def _falls_on(self, day: date) -> bool:
        return day.day == min(self.day, calendar.monthrange(day.year, day.month)[1])


@dataclass(frozen=True, slots=True)
class Cron:
    """Whenever a cron expression of five fields fits."""

    expression: str
    _: KW_ONLY
    zone: ZoneInfo
    _parsed: CronSim = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no cron expression, and what never happens, such as 30 February."""
        expression = " ".join(self.expression.split())
        object.__setattr__(self, "expression", expression)
        object.__setattr__(self, "_parsed", _parse_cron(expression))
        never = self.next_run(datetime(2024, 1, 1, tzinfo=UTC)) is None
        _refuse(never, "cron", f"{expression!r} never happens")

    def next_run(self, after: datetime) -> datetime | None:
        """The next moment that fits."""
        cron = self._parsed
        return first_after(
            after,
            self.zone,
            falls_on=lambda day: day.month in cron.months and cron.match_day(day),
            times=[time(hour, minute) for hour in cron.hours for minute in cron.minutes],
            by_the_clock=not any(each.startswith("*") for each in self.expression.split()[:2]),
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """Again and again, counted from `since`, so that a late run does not shift the later ones."""

    every: timedelta
    _: KW_ONLY
    since: datetime

    def __post_init__(self) -> None:
        """Refuse an interval that is nothing, or a lifetime."""
        fits = _MOST_OFTEN <= self.every <= _LEAST_OFTEN
        _refuse(not fits, "interval_minutes", "must be between a second and ten years")
        _refuse(self.since.tzinfo is None, "since", "needs a time zone")

    def next_run(self, after: datetime) -> datetime | None:
        """The first whole number of intervals since `since` that is later; never `since` itself."""
        passed = max(after - self.since, timedelta(0)) // self.every
        return (self.since + (passed + 1) * self.every).astimezone(UTC)


Schedule = Once | Daily | Weekly | Monthly | Cron | Interval


def _parse_cron(expression: str) -> CronSim:
    fields = len(expression.split())
    _refuse(fields != _CRON_FIELDS, "cron", "has five fields: minute hour day month weekday")
    _refuse(len(expression) > _LONGEST_CRON, "cron", f"is longer than {_LONGEST_CRON} characters")
    try:
        return CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError, AssertionError, RecursionError) as error:
        problem = f"{expression!r} is no cron expression ({error})"
        raise BadSchedule("cron", problem) from error


def _check_time(hour: int, minute: int) -> None:
    _check_number("hour", hour, 0, 23)
    _check_number("minute", minute, 0, 59)


def _check_number(name: str, number: int, lowest: int, highest: int) -> None:
    fits = lowest <= number <= highest
    _refuse(not fits, name, f"must be from {lowest} to {highest}, not {number}")


def _refuse(wrong: bool, field: str, problem: str) -> None:
    if wrong:
        raise BadSchedule(field, problem)
