"""What a clean-up of a table did, or would have done in a dry run."""

from dataclasses import dataclass
from enum import StrEnum


class SweptStatus(StrEnum):
    """How it went: a clean-up of rows is done in full, or raises."""

    SUCCESS = "success"


class SessionsStatus(StrEnum):
    """Whether there was anything to look at."""

    SUCCESS = "success"
    NO_SESSIONS = "no_sessions"
    """Nobody is or was logged in since the last time; nothing in Steward asks for a login yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsCleaned:
    """The sessions that were ended."""

    status: SessionsStatus
    dry_run: bool
    looked_at: int
    """All there were."""
    expired: int
    """Past the moment at which they were to end in any case."""
    inactive: int
    """Not expired, but not used for too long."""
    kept: int
    freed_bytes: int
    """What their rows held: the bytes of their texts, which the database may use anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCleaned:
    """The entries that were dropped."""

    status: SweptStatus = SweptStatus.SUCCESS
    dry_run: bool
    expired: int
    invalid: int
    """Damaged, or from a clock that was wrong: nobody could have been given them."""
    crowded_out: int
    """The first to expire, as the cache had grown past its limit."""
    kept: int
    freed_bytes: int
    """What they held, as it was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPruned:
    """What was forgotten of the past."""

    status: SweptStatus = SweptStatus.SUCCESS
    dry_run: bool
    removed: int
    tables: dict[str, int]
    """How many rows of each table that keeps a history; those with none are there, too."""
