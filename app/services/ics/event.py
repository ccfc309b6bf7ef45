"""An event as a calendar file gives it, and the times it happens at."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_BACK = timedelta(days=30)
_AHEAD = timedelta(days=366)  # so that next year's birthdays are in view

LONGEST_TITLE = 500  # characters; what is longer is cut
LONGEST_NOTES = 10_000
LONGEST_ID = 255
LONGEST_ZONE = 100
LONGEST_RULE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which days' occurrences to list; `zone` is where times without one are meant."""

    first: date
    last: date
    zone: str

    @classmethod
    def around(cls, now: datetime, *, zone: str) -> "View":
        """From a month ago to a year ahead, in whole days: an hour later it is the same view."""
        today = now.astimezone(UTC).date()
        return cls(first=today - _BACK, last=today + _AHEAD, zone=zone)

    @property
    def start(self) -> datetime:
        """The first moment in view."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def today(self) -> datetime:
        """The day the view is taken on; the day before it, for those who are behind UTC."""
        return self.start + _BACK - timedelta(days=1)

    @property
    def end(self) -> datetime:
        """The first moment out of view."""
        return datetime.combine(self.last, time(), UTC)

    def __str__(self) -> str:
        return f"{self.first}/{self.last} {self.zone}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one calendar may cost. A real one of many years needs a hundredth of it."""

    event: timedelta = timedelta(seconds=2)
    """CPU time for one event; a sane one takes milliseconds."""
    document: timedelta = timedelta(seconds=20)
    """CPU time for one document."""
    reading: timedelta = timedelta(seconds=30)
    """Wall time for all documents of a source: a quarter of what the sync job has."""
    memory: int = 512 * 1024**2
    """Bytes of address space; Python and its libraries take about 100 MB of it."""
    events: int = 20_000
    """Events of one document."""
    occurrences: int = 1_000
    """Occurrences of one event: about three a day over the view."""
    all_occurrences: int = 100_000
    """Occurrences of one document; after that each event gets its next ten."""


USUAL = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One time that an event happens, with the title and place it has that time.

    An all-day occurrence is a date, not a moment: it starts at midnight UTC of its day, wherever
    the user is, and ends at midnight UTC after its last.
    """

    starts_at: datetime
    ends_at: datetime
    all_day: bool
    title: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event, or a series of them, under one UID."""

    uid: str
    title: str
    place: str
    notes: str
    starts_at: datetime
    ends_at: datetime
    all_day: bool
    zone: str
    """The zone it was written in; empty for all-day events and for times without one."""
    rule: str
    """How it repeats, as RFC 5545 writes it; empty when it happens once."""
    is_cancelled: bool
    revision: tuple[int, str]
    """SEQUENCE, then the time of its last change: of two versions the greater one holds."""
    digest: str
    """Changes when something of the event changes that a person could notice."""
    occurrences: tuple[Occurrence, ...]


@dataclass(frozen=True, slots=True)
class BadEvent:
    """An event that could not be taken over, and why; `uid` is empty when it has none."""

    uid: str
    reason: str


def cleaned(text: str, longest: int) -> str:
    """`text` without control characters, except line ends and tabs, and not longer than that."""
    return "".join(map(_shown, text[: 2 * longest])).strip()[:longest]


def _shown(character: str) -> str:
    if character in "\n\t\u200c\u200d" or character.isprintable():  # the joiners: Persian, emoji
        return character
    return " " if character.isspace() else ""


def quoted(text: str) -> str:
    """What a stranger wrote, short and on one line, for a message."""
    return repr(cleaned(text, 60).replace("\n", " "))
