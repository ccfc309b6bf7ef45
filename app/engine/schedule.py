"""When the clock starts a job: cron expressions in a zone, as pure arithmetic.

    schedule("0 8 * * mon-fri", email.send_daily_summary.call(), tz="Europe/Vilnius")

Five fields, Sunday is 0, 7 or `sun`. A tick in the hour that a zone skips fires once,
right after it; one in the hour that a zone repeats fires once.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from app.engine.errors import DeclarationError, Duplicate
from app.engine.job import Call

_UNUSABLE = (CronSimError, StopIteration, ZoneInfoNotFoundError, ValueError, OSError, TypeError)
_TICK = re.compile(r"@\d{8}T\d{6}Z\Z")
_FIELDS = 5  # a sixth would be seconds, which a poll can't promise


@dataclass(frozen=True, kw_only=True)
class Cron:
    """A cron expression, read in the zone `tz`; raises `DeclarationError` when it can't be one."""

    expression: str
    tz: str = "UTC"

    def __post_init__(self) -> None:
        """Find a tick now, so that an impossible date is refused at start and not at night."""
        if len(self.expression.split()) != _FIELDS:
            raise DeclarationError(f"{self.expression!r} must have five fields")
        try:
            self.next_after(datetime(2000, 1, 1, tzinfo=UTC))
        except _UNUSABLE as error:
            raise DeclarationError(f"{self.expression!r} in {self.tz!r}: {error}") from error

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.tz)

    def next_after(self, moment: datetime) -> datetime:
        """The first tick later than `moment`, in UTC."""
        return next(CronSim(self.expression, moment.astimezone(self._zone))).astimezone(UTC)

    def last_between(self, after: datetime, until: datetime) -> datetime | None:
        """The latest tick later than `after` and not later than `until`; None when there is none.

        Looks back twice as far each time, so a long absence costs little more than a short one;
        then goes forward, for going backward through a change of clocks is a riddle of its own.
        """
        back, start, found = timedelta(minutes=1), until, None
        while found is None and start > after:
            start = until - min(back, until - after)
            found = self._last_until(until, start)
            back *= 2
        return found

    def _last_until(self, until: datetime, start: datetime) -> datetime | None:
        found = None
        while (start := self.next_after(start)) <= until:
            found = start
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One line of the timetable."""

    name: str
    cron: Cron
    call: Call[Any]


def schedule(
    expression: str, call: Call[Any], *, tz: str = "UTC", name: str | None = None
) -> Schedule:
    """Enqueue `call` at every tick of `expression`, read in the zone `tz`.

    It is named after its job; a job that is scheduled twice needs a `name` for one of them.
    """
    return Schedule(name=name or call.job.name, cron=Cron(expression=expression, tz=tz), call=call)


def refuse_duplicates(timetable: Iterable[Schedule]) -> None:
    """Raises `Duplicate` when two schedules share a name: one would silently replace the other."""
    seen: set[str] = set()
    for each in timetable:
        if each.name in seen:
            raise Duplicate(f"two schedules are called {each.name}: give one of them a name")
        seen.add(each.name)


def tick_id(name: str, tick: datetime) -> str:
    """The id of the run that a schedule starts at this tick."""
    return f"{name}@{tick:%Y%m%dT%H%M%SZ}"


def is_scheduled(run_id: str) -> bool:
    """Whether a schedule started this run."""
    return _TICK.search(run_id) is not None
