"""Attempts that are over, sealed and ready to be committed."""

from datetime import timedelta

import msgspec

from app.engine.cause import Cause
from app.engine.run import Claimed


class Completed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It succeeded or was cancelled: nothing but its result stays."""

    run: Claimed
    ending: str
    result: bytes
    keep_ms: int
    key: str
    event: bytes


class PutBack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It goes on its queue again, `delay` from now, or where it was when that is None."""

    run: Claimed
    delay: timedelta | None
    is_charged: bool
    failure: bytes
    event: bytes


class Buried(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It becomes a dead letter."""

    run: Claimed
    job: str
    result: bytes
    keep_ms: int
    failure: bytes
    cause: Cause
    key: str
    event: bytes
    is_readable: bool = True
    """Whether its payload could be read; of others only the beginning is kept."""


class SetAside(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It waits for a worker that knows its name and version."""

    run: Claimed
    name: str
    version: int
    event: bytes


Ended = Completed | PutBack | Buried | SetAside
