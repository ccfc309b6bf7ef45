"""What the clock on the wall says, and which moments that names.

Twice a year it names none, or two. When the clocks go forward, the times between do not exist:
what was meant for one of them happens when the gap ends. When they go back, an hour comes twice:
what was meant for it happens the first time. Samoa left out a whole day once (30 December 2011):
nothing was due on it.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

_HORIZON = 366 * 50  # days searched: a 29 February on one given weekday can be 40 years away
_LAST_YEAR = 9990  # further on, arithmetic with zones leaves the calendar


class UnknownZone(ValueError):
    """No time zone has this name."""


def zone_named(name: str) -> ZoneInfo:
    """The zone with this name, such as Europe/Berlin; raises `UnknownZone`."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise UnknownZone(
            f"{name[:80]!r} is no time zone: use a name like Europe/Berlin"
        ) from error


def moment_at(wall: datetime, zone: ZoneInfo) -> datetime:
    """The one moment, in UTC, meant by this time on the wall: after a gap, first of a fold."""
    moments = moments_at(wall, zone)
    return moments[0] if moments else _end_of_gap(wall, zone)


def moments_at(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Each moment at which the clock on the wall says this: none in a gap, two in a fold."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return (first,)
    return (first, second) if first < second else ()


def first_after(
    after: datetime,
    zone: ZoneInfo,
    *,
    falls_on: Callable[[date], bool],
    times: Iterable[time],
    by_the_clock: bool = True,
) -> datetime | None:
    """The first moment after `after` at one of these times on a day that fits.

    By the clock, each time happens once on each such day that exists. Otherwise it happens as
    often as the wall shows it: not at all in a gap, twice in a fold. None when no day fits
    within fifty years.
    """
    moments = _once_a_day if by_the_clock else _as_often_as_shown
    on_the_wall = tuple(times)
    for day, next_day in pairwise(_days_from(after, zone)):
        if falls_on(day) and (found := _later(after, moments(day, on_the_wall, zone))):
            # Where clocks went back over midnight, the next day's first minutes come earlier.
            more = moments(next_day, on_the_wall, zone) if falls_on(next_day) else ()
            return min([*found, *_later(after, more)])
    return None


def _days_from(after: datetime, zone: ZoneInfo) -> Iterator[date]:
    start = after.astimezone(zone).date() - timedelta(days=1)  # a day may come back over midnight
    days = (start + timedelta(days=n) for n in range(_HORIZON))
    return days if start.year < _LAST_YEAR - _HORIZON // 366 else iter(())


def _later(after: datetime, moments: Iterable[datetime]) -> list[datetime]:
    return [moment for moment in moments if moment > after]


def _once_a_day(day: date, times: Iterable[time], zone: ZoneInfo) -> Iterator[datetime]:
    if _exists(day, zone):
        yield from (moment_at(datetime.combine(day, each), zone) for each in times)


def _as_often_as_shown(day: date, times: Iterable[time], zone: ZoneInfo) -> Iterator[datetime]:
    for each in times:
        yield from moments_at(datetime.combine(day, each), zone)


def _exists(day: date, zone: ZoneInfo) -> bool:
    begins = moment_at(datetime.combine(day, time()), zone)
    return begins.astimezone(zone).date() == day


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment the clocks went forward over `wall`, to the second, found by halving."""
    wall = wall.replace(microsecond=0)
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
