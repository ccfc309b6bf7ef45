"""A run on its way in and out of Redis: what is put there, what comes back."""

from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_bytes

import msgspec

from app.engine.job import Held


def new_id() -> str:
    """16 characters, 80 random bits: two of 10**10 runs share one with a chance of 1 in 24,000."""
    return b32encode(token_bytes(10)).decode().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """One enqueue, sealed and ready to be written."""

    id: str
    queue: str
    payload: bytes
    at: datetime | None = None
    delay: timedelta = timedelta(0)
    key: str = ""
    held: Held | timedelta = Held.ACTIVE


@dataclass(frozen=True, slots=True)
class Receipt:
    """Redis's answer to an enqueue: the run that stands for the call, and whether it is new."""

    id: str
    is_new: bool


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A run this worker holds a lease on."""

    id: str
    queue: str
    due_ms: float
    attempt: int
    lease: str
    cancelled: bool
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim brought, and when the next run of these queues is due."""

    runs: tuple[Claimed, ...]
    next_due: datetime | None
    is_all: bool = True
    """Whether it looked at all there is, and not just behind the last run that was claimed."""
    is_told: bool = False
    """Whether the server will tell when one of these queues changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of one claim a queue may take, and how long its leases last."""

    queue: str
    most: int
    lease: timedelta
