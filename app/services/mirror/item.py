"""What lies on either side, and what can go wrong with it.

RemoteError
├── RemoteUnavailable  it can't be reached now: the next time may go better
└── RemoteRefused      it can't be reached until somebody changes a setting
BadItem                one thing can't be synced: it is told, and the others go on
├── Clash              it was changed there since we looked
└── Gone               it is no longer there
"""

from dataclasses import dataclass, field
from datetime import timedelta


class RemoteError(Exception):
    """The other side can't be reached."""


class RemoteUnavailable(RemoteError, ConnectionError):
    """It can't be reached now; `retry_after` is what it asks for, if it does."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RemoteRefused(RemoteError, PermissionError):
    """It can't be reached until somebody changes a setting: a wrong password, a forbidden host."""


class BadItem(Exception):
    """One thing can't be synced; the message says why."""


class Clash(BadItem):
    """It was changed there since we looked; `id` says which it is, if it had none for us."""

    def __init__(self, message: str, *, id: str = "") -> None:
        super().__init__(message)
        self.id = id


class Gone(BadItem):
    """It is no longer there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """A thing on the other side, as a listing tells of it."""

    id: str
    name: str
    """The file name it asks for."""
    version: str
    """Another one may mean another content; empty says that nobody can tell without a look."""
    is_ours: bool = False
    """Whether it was us who changed it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A thing on the other side, content and all."""

    id: str
    data: bytes
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a listing tells."""

    items: tuple[There, ...]
    cursor: str
    """Where the next listing begins."""
    gone: frozenset[str] = frozenset()
    """The ids of what was removed."""
    is_whole: bool
    """Whether all there is was listed, so that what is missing is gone."""
    bad: dict[str, str] = field(default_factory=dict[str, str])
    """Ids of what could not be listed, and why: they are there, and left alone."""
