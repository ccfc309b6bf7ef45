"""The forms a time can take in words, each read from where the phrase stands.

A form that does not begin here is None and reads nothing. One that does, but names a time that
can't be (25:00, a day gone by), raises `NotUnderstood`: the words were about a time, and wrong.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.services.phrase_dates import take_dates
from app.services.phrase_words import (
    NotUnderstood,
    Words,
    take_amount,
    take_time,
    take_unit,
    take_weekday,
)
from app.services.recurrence import Daily, Interval, Monthly, Once, Schedule, Weekly
from app.services.wall_clock import moment_at, moments_at

_MORNING = time(9)
_WORKDAYS = (0, 1, 2, 3, 4)
_DAY = timedelta(days=1)
_FARTHEST = timedelta(days=36525)  # a hundred years: beyond that, somebody mistyped
_SHOWN = 40  # characters of what is unclear
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}t[0-9:.+-]+z?")
_CLOCK_WITH_ZONE = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?(z|[+-][0-9]{2}:[0-9]{2})")
_DAY_OF_MONTH = re.compile(r"([0-9]{1,2})(st|nd|rd|th)?")


@dataclass(frozen=True, slots=True)
class Times:
    """Reads times off `words`, as of `now`, for somebody in `zone`."""

    words: Words
    now: datetime
    zone: ZoneInfo

    def take(self) -> Schedule | None:
        """The time that begins here; None, with nothing read, when none does."""
        start = self.words.at
        for form in (self._rhythm, self._in_a_while, self._iso, self._day_and_time):
            schedule = form()
            if schedule is not None:
                return schedule
            self.words.at = start
        return None

    def _in_a_while(self) -> Once | None:
        if not self.words.take("in"):
            return None
        amounts = self._amounts()
        if not amounts:
            return None
        days = sum(int(number * unit / _DAY) for number, unit in amounts if unit >= _DAY)
        exact = sum((number * unit for number, unit in amounts), timedelta(0)) - days * _DAY
        wall = self.now.astimezone(self.zone).replace(tzinfo=None) + timedelta(days=days)
        start = moment_at(wall, self.zone) if days else self.now
        return self._once(start + exact)

    def _amounts(self) -> list[tuple[float, timedelta]]:
        """Amounts from the largest unit to the smallest, such as "1 hour and 30 minutes"."""
        amounts: list[tuple[float, timedelta]] = []
        while True:
            start = self.words.at
            if amounts:
                self.words.take("and")
            amount = take_amount(self.words)
            if amount is None or (amounts and amount[1] >= amounts[-1][1]):
                self.words.at = start
                return amounts
            amounts.append(amount)

    def _iso(self) -> Once | None:
        self.words.take("on", "at")
        written = self.words.peek()
        if _DATE.fullmatch(written) and _CLOCK_WITH_ZONE.fullmatch(self.words.peek(1)):
            self.words.at += 1
            written = f"{written}t{self.words.peek()}"
        elif not _DATE_AND_TIME.fullmatch(written):
            return None
        self.words.at += 1
        try:
            moment = datetime.fromisoformat(written.upper())
        except ValueError:
            raise NotUnderstood(f"{written} is no date and time") from None
        return self._once(moment if moment.tzinfo else moment_at(moment, self.zone))

    def _day_and_time(self) -> Once | None:
        """A day, a time, or both, in either order."""
        at = take_time(self.words)
        day = self._take_day()
        if day is None:
            return None if at is None else self._once(self._on_first_of(self._days(0, 1), at))
        at = at or take_time(self.words)
        match day:
            case "today":
                if at is None:
                    raise NotUnderstood(f'{self._here()}say at what time, as in "today at 17:00"')
                return self._once(self._on_first_of(self._days(0), at))
            case "tomorrow":
                return self._once(self._on_first_of(self._days(1), at or _MORNING))
            case int():
                week = [each for each in self._days(*range(8)) if each.weekday() == day]
                return self._once(self._on_first_of(week, at or _MORNING))
            case list():
                return self._once(self._on_first_of(day, at or _MORNING))
            case other:
                raise AssertionError(other)

    def _take_day(self) -> str | int | list[date] | None:
        if word := self.words.take("today", "tomorrow"):
            return word
        start = self.words.at
        self.words.take("on")
        weekday = take_weekday(self.words)
        if weekday is not None:
            return weekday
        if _DATE.fullmatch(self.words.peek()):
            return [self._take_date()]
        if days := take_dates(self.words, self._days(0)[0]):
            return days
        self.words.at = start
        return None

    def _take_date(self) -> date:
        written = self.words.peek()
        self.words.at += 1
        try:
            return date.fromisoformat(written)
        except ValueError:
            raise NotUnderstood(f"{written} is no date") from None

    def _days(self, *ahead: int) -> list[date]:
        today = self.now.astimezone(self.zone).date()
        return [today + timedelta(days=each) for each in ahead]

    def _on_first_of(self, days: list[date], at: time) -> datetime:
        """That time on the first of these days on which it is still to come."""
        for day in days:
            wall = datetime.combine(day, at)
            moments = moments_at(wall, self.zone) or (moment_at(wall, self.zone),)
            for moment in moments:
                if moment > self.now:
                    return moment
        raise NotUnderstood(f"{days[0]} {at:%H:%M} has passed")

    def _once(self, moment: datetime) -> Once:
        moment = moment.astimezone(UTC)
        if moment <= self.now:
            raise NotUnderstood(f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S} has passed")
        if moment - self.now > _FARTHEST:
            raise NotUnderstood(f"the year {moment.year} is too far away")
        return Once(moment)

    def _rhythm(self) -> Schedule | None:
        if self.words.take("daily"):
            return self._daily()
        if not self.words.take("every"):
            return None
        if self.words.take("day"):
            return self._daily()
        if self.words.take("weekday"):
            return self._weekly(_WORKDAYS)
        if self.words.take("month"):
            return self._monthly()
        weekdays = self._weekdays()
        return self._weekly(weekdays) if weekdays else self._interval()

    def _daily(self) -> Daily:
        at = self._time_or_morning()
        return Daily(at.hour, at.minute, zone=self.zone)

    def _weekly(self, weekdays: tuple[int, ...]) -> Weekly:
        at = self._time_or_morning()
        return Weekly(weekdays, at.hour, at.minute, zone=self.zone)

    def _monthly(self) -> Monthly:
        self.words.take("on")
        self.words.take("the", "day")
        written = _DAY_OF_MONTH.fullmatch(self.words.peek())
        if written is None:
            raise NotUnderstood(f'{self._here()}say on which day, as in "every month on the 5th"')
        self.words.at += 1
        at = self._time_or_morning()
        return Monthly(int(written[1]), at.hour, at.minute, zone=self.zone)

    def _weekdays(self) -> tuple[int, ...]:
        weekdays: list[int] = []
        while True:
            start = self.words.at
            if weekdays:
                self.words.take("and")
            weekday = take_weekday(self.words)
            if weekday is None:
                self.words.at = start
                return tuple(weekdays)
            weekdays.append(weekday)

    def _interval(self) -> Interval:
        start = self.words.at
        number, unit = take_amount(self.words) or (1, take_unit(self.words))
        if self._is_ordinal(start, unit):
            self.words.at = start
            unit = None
        if unit is None or unit >= _DAY:
            raise NotUnderstood(
                f'{self._here()}say "every" with day, weekday, monday, "month on the 5th", '
                "or hours or minutes"
            )
        return Interval(number * unit, since=self.now.replace(microsecond=0))

    def _is_ordinal(self, start: int, unit: timedelta | None) -> bool:
        """Whether it is "every second", which may count days, or a unit with another behind it."""
        is_alone = self.words.at == start + 1
        is_second = is_alone and unit == timedelta(seconds=1) and self.words.peek(-1) == "second"
        return is_second or take_unit(self.words) is not None

    def _here(self) -> str:
        """The words at which reading has stopped, to begin a refusal with; none at the end."""
        ahead = [word for word in (self.words.peek(), self.words.peek(1)) if word]
        return f"“{' '.join(ahead)[:_SHOWN]}” is unclear: " if ahead else ""

    def _time_or_morning(self) -> time:
        at = take_time(self.words) or _MORNING
        if at.second:
            raise NotUnderstood(f"{at} is too exact for a rhythm: leave the seconds out")
        return at
