"""When arq's cron jobs are due: sets of months, days, hours and so on, in any zone.

Both a day and a weekday must fit where both are given, as in arq and unlike cron. Where clocks are
changed, ticks go by the rules of our own timetable: one in the hour that a zone skips fires once,
right after it, and one in the hour that it repeats fires once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from arq.cron import CronJob
from arq.typing import WEEKDAYS
from cronsim import CronSim, CronSimError

from app.engine.errors import DeclarationError

_EVERY = {
    "month": range(1, 13),
    "day": range(1, 32),
    "weekday": range(7),
    "hour": range(24),
    "minute": range(60),
    "second": range(60),
    "microsecond": range(1_000_000),
}
_WEEKDAYS = {name: number for number, name in enumerate(WEEKDAYS)}
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """The moments of one cron job."""

    expression: str
    """The minutes, as cron writes them."""
    weekdays: tuple[int, ...]
    """0 is Monday."""
    seconds: tuple[int, ...]
    microsecond: int
    zone: tzinfo

    @classmethod
    def of(cls, job: CronJob, zone: tzinfo) -> "Ticks":
        """Read a cron job; raises `DeclarationError` for one that never comes."""
        try:
            ticks = cls(
                expression=_expression(job),
                weekdays=tuple(_wanted(job, "weekday")),
                seconds=tuple(_wanted(job, "second")),
                microsecond=_wanted(job, "microsecond")[0],
                zone=_by_name(zone),
            )
            ticks.next_after(datetime(2000, 1, 1, tzinfo=UTC))
        except (CronSimError, RuntimeError, ValueError) as error:
            raise DeclarationError(f"{job.name} is never due: {error}") from error
        return ticks

    def next_after(self, moment: datetime) -> datetime:
        """The first tick later than `moment`, in UTC."""
        after = moment - timedelta(microseconds=self.microsecond)
        minutes = self._minutes(after - _MINUTE)
        later = (tick for minute in minutes for tick in self._in(minute) if tick > after)
        return next(later) + timedelta(microseconds=self.microsecond)

    def _minutes(self, start: datetime) -> Iterator[datetime]:
        """Every minute later than `start`; a day of the wrong weekday is skipped whole."""
        while True:
            minute = next(CronSim(self.expression, start.astimezone(self.zone)))
            if minute.weekday() in self.weekdays:
                yield minute
                start = minute
            else:
                start = minute.replace(hour=23, minute=59)

    def _in(self, minute: datetime) -> Iterator[datetime]:
        start = minute.astimezone(UTC)
        return (start + timedelta(seconds=each) for each in self.seconds)


def _expression(job: CronJob) -> str:
    """Its minutes; weekdays are left to `Ticks`, for cron takes a day or a weekday for enough."""
    fields = ("minute", "hour", "day", "month")
    written = ("*" if getattr(job, each) is None else _listed(job, each) for each in fields)
    return f"{' '.join(written)} *"


def _listed(job: CronJob, field: str) -> str:
    return ",".join(map(str, _wanted(job, field)))


def _wanted(job: CronJob, field: str) -> list[int]:
    """The numbers a field allows, in order; raises `ValueError` for what it can't hold."""
    given: Any = getattr(job, field)
    every = _EVERY[field]
    if given is None:
        return list(every)
    asked: list[Any] = [given] if isinstance(given, (int, str)) else list(given)
    numbers: list[Any] = [_WEEKDAYS.get(each, each) for each in asked]
    if not numbers or any(each not in every for each in numbers):
        raise ValueError(f"{field} can't be {given!r}")
    return sorted(set(numbers))


def _by_name(zone: tzinfo) -> tzinfo:
    """A zone of pytz as one that knows its own changes; others are as they are."""
    name = getattr(zone, "zone", None)
    return ZoneInfo(name) if isinstance(name, str) else zone
