"""Where calendar files come from.

CalendarError
├── SourceUnavailable  it can't be read now: the next time may go better
│   └── SourceRests    it is left alone, since it refused us or asked for it
└── SourceRefused      it won't be read until somebody changes a setting
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

from app.services.ics.reader import File
from app.storage.calendar_event import SourceState


class CalendarError(Exception):
    """A source can't be read."""


class SourceUnavailable(CalendarError, ConnectionError):
    """It can't be read now; `retry_after` is what it asks for, if it does."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SourceRests(SourceUnavailable):
    """It is left alone: it refused us, or asked for that; nobody asks it now."""


class SourceRefused(CalendarError, PermissionError):
    """It won't be read until somebody changes a setting: a wrong password, a forbidden address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outward:
    """What a source that is written to has taken from us, and what it has not."""

    sent: int = 0
    conflicts: int = 0
    failed: int = 0
    errors: tuple[str, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict[str, str])
    """Marks of what is suddenly gone and left alone until a person says so, each in words."""
    retry_after: timedelta | None = None
    """How long it asks to be left alone, in the middle of it."""

    def __add__(self, other: "Outward") -> "Outward":
        return Outward(
            sent=self.sent + other.sent,
            conflicts=self.conflicts + other.conflicts,
            failed=self.failed + other.failed,
            errors=self.errors + other.errors,
            held={**self.held, **other.held},
            retry_after=self.retry_after or other.retry_after,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The source is as it was when it was last read."""

    is_empty: bool = False
    """Whether there is no file in it."""
    outward: Outward = Outward()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All files of a source as they are now."""

    files: tuple[File, ...]
    state: SourceState
    problems: tuple[str, ...] = ()
    """Files that are there and could not be read: what they hold must not count as deleted."""
    outward: Outward = Outward()

    @property
    def is_empty(self) -> bool:
        """Whether there is no file in it."""
        return not self.files and not self.problems


class CalendarSource(Protocol):
    """Gives the calendar files of one place."""

    @property
    def name(self) -> str:
        """What it is called in the database, up to 100 characters; it holds no secret."""
        ...

    @property
    def label(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def setting(self) -> str:
        """The setting to change when it can't be read."""
        ...

    @property
    def is_account(self) -> bool:
        """Whether somebody named it in the settings."""
        ...

    async def read(self, known: SourceState | None, *, removals: str = "") -> Snapshot | Unchanged:
        """Its files, or `Unchanged` if `known` still holds; None asks for the files in any case.

        `removals` is the mark of what is suddenly gone and is to be. Raises `CalendarError`.
        """
        ...

    async def check(self) -> tuple[str, ...]:
        """Try to read it, changing nothing: what was tried, a line each. Raises `CalendarError`."""
        ...


def digest_of(files: Iterable[File]) -> str:
    """What tells these files from others, names included."""
    digest = sha256()
    for file in files:
        for part in (file.name.encode(errors="surrogateescape"), file.data):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return digest.hexdigest()
