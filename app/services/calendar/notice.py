"""What a user is told of new events: those still to come, the nearest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from app.services.ics.event import cleaned
from app.storage.calendar_event import StoredEvent, StoredOccurrence

_TOLD = 5
_LONGEST = 80  # characters of a title


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNotice:
    """A notice, and the key under which it is told once."""

    title: str
    body: str
    key: str


def notice_of(events: Sequence[StoredEvent], *, now: datetime, zone: str) -> EventNotice | None:
    """What to say of new events; None when none of them is still to come."""
    coming = sorted(
        (first.starts_at, event.uid, first)
        for event in events
        if (first := _next(event, now)) is not None
    )
    if not coming:
        return None
    lines = [_line(occurrence, zone) for _, _, occurrence in coming[:_TOLD]]
    more = len(coming) - len(lines)
    told = "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])
    what = "A new event" if len(coming) == 1 else f"{len(coming)} new events"
    marks = "\n".join(sorted(f"{event.uid} {event.digest}" for event in events))
    key = f"calendar:{sha256(marks.encode()).hexdigest()}"
    return EventNotice(title=f"{what} in your calendar", body=told, key=key)


def _next(event: StoredEvent, now: datetime) -> StoredOccurrence | None:
    coming = (each for each in event.occurrences if each.ends_at >= now)
    return min(coming, key=lambda each: each.starts_at, default=None)


def _line(occurrence: StoredOccurrence, zone: str) -> str:
    if occurrence.all_day:
        when = f"{occurrence.starts_at:%a %d %b %Y}"
    else:
        when = f"{occurrence.starts_at.astimezone(ZoneInfo(zone)):%a %d %b %Y %H:%M}"
    return f"{when}  {cleaned(occurrence.title, _LONGEST) or '(no title)'}"
