"""An event of its lines, and the times it happens at.

The libraries do the work; this file decides what to believe. They leave out a property they can't
read, take an unknown zone for none, and ignore EXRULE. An event at the wrong hour is worse than one
reported as unreadable, so each of these refuses it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar
from icalendar import Event as IcalEvent

from app.services.ics.document import Series
from app.services.ics.event import (
    LONGEST_NOTES,
    LONGEST_TITLE,
    LONGEST_ZONE,
    Event,
    Occurrence,
    View,
    cleaned,
    quoted,
)

_TIMES = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")


class BadSeries(ValueError):
    """What these lines mean can't be told for certain."""


def event_of(series: Series, view: View, *, zone: str, most: int) -> Event:
    """The event with its occurrences in view, the nearest `most` of them.

    `zone` is what the document says of times that have none; the view's own counts after it.
    Raises `BadSeries`, or whatever the libraries raise on lines like these.
    """
    calendar = _calendar(series, zone)
    parts = calendar.events
    for part in parts:
        _refuse_guesses(part)
    main = next((part for part in parts if "RECURRENCE-ID" not in part), parts[0])
    local = ZoneInfo(zone or view.zone)
    is_cancelled = _is_cancelled(main)
    starts_at = _moment(main.start, local)
    return Event(
        uid=series.uid,
        title=_text(main, "SUMMARY", LONGEST_TITLE),
        place=_text(main, "LOCATION", LONGEST_TITLE),
        notes=_text(main, "DESCRIPTION", LONGEST_NOTES),
        starts_at=starts_at,
        ends_at=max(starts_at, _moment(main.end, local)),
        all_day=not isinstance(main.start, datetime),
        zone=_zone_name(main),
        rule=series.rule,
        is_cancelled=is_cancelled,
        revision=series.revision,
        digest=series.digest,
        occurrences=() if is_cancelled else tuple(_occurrences(calendar, view, local, most)),
    )


def _calendar(series: Series, zone: str) -> Calendar:
    head = ("BEGIN:VCALENDAR", *([f"X-WR-TIMEZONE:{zone}"] if zone else []))
    lines = [line for block in (*series.zones, *series.blocks) for line in block.lines]
    calendar = Calendar.from_ical("\r\n".join((*head, *lines, "END:VCALENDAR", "")))
    assert isinstance(calendar, Calendar)  # a list only when asked for several
    return calendar


def _refuse_guesses(part: IcalEvent) -> None:
    for name, problem in part.errors:
        if name in _TIMES:
            raise BadSeries(f"its {name} can't be read: {cleaned(str(problem), 120)}")
    if "DTSTART" not in part:
        raise BadSeries("it has no DTSTART")
    if "EXRULE" in part:
        raise BadSeries("it uses EXRULE, which the calendar standard dropped")
    zone = _zone_id(part)
    if zone and isinstance(part.start, datetime) and part.start.tzinfo is None:
        raise BadSeries(f"its time zone {quoted(zone)} is unknown, and not described in the file")


def _occurrences(calendar: Calendar, view: View, local: tzinfo, most: int) -> list[Occurrence]:
    """The occurrences in view; of too many, those from yesterday on come first."""
    found = recurring_ical_events.of(calendar).between(view.start, view.end)
    every = sorted(_each(found, local), key=lambda each: (each.starts_at, each.title))
    if len(every) <= most:
        return every
    coming = [each for each in every if each.ends_at >= view.today]
    return (coming or every)[:most]


def _each(found: Iterable[Any], local: tzinfo) -> Iterator[Occurrence]:
    for part in found:
        assert isinstance(part, IcalEvent)
        if _is_cancelled(part):
            continue
        starts_at = _moment(part.start, local)
        yield Occurrence(
            starts_at=starts_at,
            ends_at=max(starts_at, _moment(part.end, local)),
            all_day=not isinstance(part.start, datetime),
            title=_text(part, "SUMMARY", LONGEST_TITLE),
            place=_text(part, "LOCATION", LONGEST_TITLE),
        )


def _moment(when: date, local: tzinfo) -> datetime:
    """In UTC; a date is its midnight there, a time without a zone is local."""
    if not isinstance(when, datetime):
        return datetime.combine(when, time(), UTC)
    return (when if when.tzinfo else when.replace(tzinfo=local)).astimezone(UTC)


def _zone_name(part: IcalEvent) -> str:
    if not isinstance(part.start, datetime) or part.start.tzinfo is None:
        return ""
    known_as = getattr(part.start.tzinfo, "key", None) or _zone_id(part) or "UTC"
    return cleaned(str(known_as), LONGEST_ZONE)


def _zone_id(part: IcalEvent) -> str:
    """What its DTSTART names as its zone."""
    start: Any = part["DTSTART"]
    return str(start.params.get("TZID", ""))


def _is_cancelled(part: IcalEvent) -> bool:
    return _text(part, "STATUS", 20).upper() == "CANCELLED"


def _text(part: IcalEvent, name: str, longest: int) -> str:
    """The first property of this name: nothing forbids a file to have several."""
    found: str | list[str] = part.get(name, "")
    first = found[0] if isinstance(found, list) else found
    return cleaned(str(first), longest)
