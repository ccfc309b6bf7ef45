"""An attempt that is over: what it was of, how it ended, and when."""

from datetime import datetime
from typing import Any

import msgspec

from app.engine.clock import from_ms
from app.engine.envelope import Payload
from app.engine.job import Job
from app.engine.limits import Ask
from app.engine.outcome import Outcome
from app.engine.run import Claimed

_UNREADABLE = Payload(f="?", a=msgspec.Raw(b"\x90"), k=msgspec.Raw(b"\x80"), et=0)


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that is over; payload and job are None as far as they could not be known."""

    run: Claimed
    payload: Payload | None
    job: Job[Any, ..., Any] | None
    outcome: Outcome
    started_ms: int
    ended_ms: int
    asks: tuple[Ask, ...] = ()
    """The limits it had places at."""

    @property
    def started_at(self) -> datetime:
        """When the job was called."""
        return from_ms(self.started_ms)

    @property
    def ended_at(self) -> datetime:
        """When it was over."""
        return from_ms(self.ended_ms)

    @property
    def known(self) -> Payload:
        """The payload, or an empty one in its place."""
        return self.payload or _UNREADABLE
