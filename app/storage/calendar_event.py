"""What is stored of a calendar, as values: its source's state, its events, their occurrences."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What a source was like when it was last read in full; empty when it has to be read again."""

    etag: str = ""
    last_modified: str = ""
    digest: str = ""
    view: str = ""
    """Which days' occurrences were listed then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOccurrence:
    """One time that an event happens; of an all-day one, midnight UTC of its date."""

    starts_at: datetime
    ends_at: datetime
    all_day: bool
    title: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as its source has it."""

    uid: str
    title: str
    place: str
    notes: str
    starts_at: datetime
    ends_at: datetime
    all_day: bool
    zone: str
    rule: str
    is_cancelled: bool
    sequence: int
    digest: str
    """Another one means that the event was changed."""
    occurrences: tuple[StoredOccurrence, ...]

    @property
    def listed(self) -> str:
        """A digest of its occurrences, which also change with the days in view."""
        return sha256(repr(self.occurrences).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How events differ from those stored before."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(
            new=self.new + other.new,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
        )
