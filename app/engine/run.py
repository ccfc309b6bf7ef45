"""A run on its way in and out of Redis: what is put there, what comes back."""

from datetime import datetime, timedelta
from secrets import token_bytes
from string import ascii_letters, digits
from typing import Any

import msgspec
from msgspec import structs

from app.engine.clock import span_ms, to_ms
from app.engine.run_options import Held

_LETTERS = (ascii_letters + digits).encode()
_OF_BYTE = bytes(_LETTERS[byte % len(_LETTERS)] for byte in range(256))
"""The letter for each byte; eight of them stand for five bytes, the others for four."""
_KEPT = msgspec.msgpack.Decoder(dict[str, Any])


def new_id() -> str:
    """14 letters and digits: two of 10**10 runs share one with a chance of 1 in 250,000.

    With two more each run would take 16 bytes more of Redis's memory, which comes in such steps.
    """
    return token_bytes(14).translate(_OF_BYTE).decode("ascii")


class NewRun(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One enqueue, sealed and ready to be written."""

    id: str
    queue: str
    payload: bytes
    at_ms: int | None = None
    delay_ms: int = 0
    key: str = ""
    held: Held | timedelta = Held.ACTIVE
    longest_ms: int = 0
    """How late later calls may make a debounced run, counted from the first; 0: it is none."""
    most: int = 0
    """How many runs its queue may hold; 0: any number."""
    is_counted: bool = False
    """Whether its attempts are counted from the start, and not just by the lease of the first."""
    is_named: bool = False
    """Whether its id was chosen, and so may be another run's."""

    @property
    def is_plain(self) -> bool:
        """Whether it is due at once, and nothing is asked for beyond that it runs."""
        asked = self.delay_ms or self.key or self.most or self.is_counted or self.is_named
        return not asked and self.at_ms is None

    def kept(self, now: datetime) -> bytes:
        """Itself, to be written down until somebody enqueues it; its delay begins `now`."""
        fields = structs.asdict(self)
        if isinstance(self.held, timedelta):
            fields["held"] = span_ms(self.held)
        if self.delay_ms:
            fields |= {"at_ms": to_ms(now) + self.delay_ms, "delay_ms": 0}
        return msgspec.msgpack.encode(fields)

    @classmethod
    def of(cls, kept: bytes) -> "NewRun":
        """What was written down, by this release or another; raises `ValueError` if it wasn't."""
        try:
            fields = _KEPT.decode(kept)
            held = fields["held"]
            fields["held"] = timedelta(milliseconds=held) if isinstance(held, int) else Held(held)
            return cls(**{name: fields[name] for name in cls.__struct_fields__ if name in fields})
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"no run that was written down: {error}") from error


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Redis's answer to an enqueue: the run that stands for the call, and whether it is new."""

    id: str
    is_new: bool


class Claimed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A run this worker holds a lease on."""

    id: str
    queue: str
    payload: bytes | None
    worker: str
    attempt: int = 1
    is_counted: bool = False
    """Whether its attempts are counted apart from its lease."""
    cancelled: bool = False
    crashes: int = 0
    """How many workers in a row died with it at work, and may have died of it."""
    uncharged: int = 0
    """How many of its attempts ended with their worker: its policy doesn't count them."""
    is_over: bool = False
    """Whether a run of this id is over, and what it left is still kept."""

    @property
    def charged(self) -> int:
        """Which attempt this is, of those that its policy counts."""
        return self.attempt - self.uncharged

    @property
    def lease(self) -> str:
        """What its lease says while this attempt is at work."""
        return lease_of(self.worker, self.attempt)


def lease_of(worker: str, attempt: int) -> str:
    """What a lease says while this attempt is at work there."""
    return f"{worker}:{attempt}"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one claim brought, and when the next run of these queues is due."""

    runs: tuple[Claimed, ...]
    next_due: datetime | None
    is_all: bool = True
    """Whether it looked at all there is, and not just behind the last run that was claimed."""
    is_told: bool = False
    """Whether the server will tell when one of these queues changes."""
    hears_of_runs: bool = False
    """Whether the server can tell of runs that are handed over."""
    is_offering: bool = False
    """Whether the next plain run may be handed to the worker that claimed."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one claim a queue may take, and how long its leases last."""

    queue: str
    most: int
    lease: timedelta
