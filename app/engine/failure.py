"""What went wrong in one attempt, kept until the run succeeds and with the dead letter after."""

import asyncio
import traceback
from dataclasses import dataclass
from datetime import datetime

import msgspec

from app.engine import wire
from app.engine.clock import Moment, from_ms, to_ms

_LONGEST_TRACEBACK = 16_000  # characters; its end says what happened, so the start is cut


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """One failed attempt: when, where and how."""

    number: int
    started_at: datetime
    ended_at: datetime
    worker: str
    kind: str
    message: str
    traceback: str

    @property
    def error(self) -> BaseException:
        """The error, built again as far as this process knows its class."""
        return wire.rebuild(self.kind, self.message)


class _Record(msgspec.Struct, array_like=True):
    number: int
    started: Moment
    ended: Moment
    worker: str
    kind: str
    message: str
    traceback: str


_RECORD = msgspec.msgpack.Decoder(_Record)
_UNREADABLE = _Record(0, 0, 0, "", "?", "unreadable", "")


def pack_failure(
    error: BaseException, *, number: int, started_at: datetime, ended_at: datetime, worker: str
) -> bytes:
    """The failure as the scripts keep it."""
    record = _Record(
        number=number,
        started=to_ms(started_at),
        ended=to_ms(ended_at),
        worker=worker,
        kind=wire.kind_of(error),
        message=wire.message_of(error),
        traceback=_traceback(error),
    )
    return wire.pack(record)


def unpack_failure(data: bytes) -> FailedAttempt:
    """An unreadable one, for what isn't one: a dead letter with a torn page is still a letter."""
    try:
        record = _RECORD.decode(data)
    except wire.UNREADABLE:
        record = _UNREADABLE
    return FailedAttempt(
        number=record.number,
        started_at=from_ms(record.started),
        ended_at=from_ms(record.ended),
        worker=record.worker,
        kind=record.kind,
        message=record.message,
        traceback=record.traceback,
    )


def _traceback(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return ""
    try:
        text = "".join(traceback.format_exception(error))
        return wire.printable(text[-_LONGEST_TRACEBACK:])
    except Exception as unprintable:  # its __str__ or its cause's may raise anything
        return f"<no traceback: {type(unprintable).__name__}>"
