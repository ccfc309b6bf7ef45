"""When a schedule is due, found the slow way: by watching the clock on the wall, minute by minute.

It shares no code with `app.services.recurrence`, and decides nothing but what it sees: the clock
shows the next minute, leaves some out, or goes back.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_MINUTE = timedelta(minutes=1)


def walk(
    after: datetime,
    zone: ZoneInfo,
    matches: Callable[[datetime], bool],
    *,
    for_days: int,
    as_shown: bool = False,
) -> datetime | None:
    """The first minute later than `after` at which the schedule is due, within so many days.

    `matches` judges what the wall shows. `as_shown`: as often as it is shown; otherwise what was
    left out happens when the clock goes on, and what is shown again does not happen again.
    """
    before = (after - _MINUTE).replace(second=0, microsecond=0).astimezone(UTC)
    shown = _wall(before, zone)
    for step in range(1, for_days * 1440 + 3):
        moment = before + step * _MINUTE
        last, shown = shown, _wall(moment, zone)
        if moment <= after:
            continue
        if matches(shown) and (as_shown or moment.astimezone(zone).fold == 0):
            return moment
        if not as_shown and any(map(matches, _left_out(last, shown))):
            return moment
    return None


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _left_out(last: datetime, shown: datetime) -> Iterator[datetime]:
    """The minutes the clock jumped over, on days of which it showed anything at all."""
    missing = last + _MINUTE
    while missing < shown:
        if missing.date() in (last.date(), shown.date()):
            yield missing
        missing += _MINUTE
