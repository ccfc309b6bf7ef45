"""Attempts that are over, sealed and ready to be committed."""

from dataclasses import dataclass
from datetime import timedelta

from app.engine.run import Claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """It succeeded or was cancelled: nothing but its result stays."""

    run: Claimed
    ending: str
    result: bytes
    keep: timedelta
    key: str
    event: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """It goes on its queue again, `delay` from now, or where it was when that is None."""

    run: Claimed
    delay: timedelta | None
    is_charged: bool
    failure: bytes
    event: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Buried:
    """It becomes a dead letter."""

    run: Claimed
    job: str
    result: bytes
    keep: timedelta
    failure: bytes
    key: str
    event: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """It waits for a worker that knows its name and version."""

    run: Claimed
    name: str
    version: int
    event: bytes


Ended = Completed | PutBack | Buried | SetAside
