"""What time it is, for the engine: the server's clock, plus an offset that only tests set.

Redis tells the time, so that two machines whose clocks differ agree on what is due. Each script
reads the server's TIME and adds the offset it is given. The offset is zero, except under a
`ManualClock`: advancing that one by an hour makes every hour-long wait due, here and in Redis.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import time, time_ns
from typing import Annotated

import msgspec

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)

_NONE = timedelta(0)

LATEST_MS = 253402300799000
"""The last second of the year 9999, in ms: the latest that a datetime can be."""

Moment = Annotated[int, msgspec.Meta(ge=0, lt=253402300800000)]
"""A moment on the wire: ms since the epoch, up to the year 9999, as far as a datetime goes."""


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch; `moment` must be aware."""
    return round((moment - _EPOCH) / _MILLISECOND)


def from_ms(ms: float) -> datetime:
    """The UTC moment of `ms` milliseconds since the epoch."""
    return _EPOCH + ms * _MILLISECOND


def span_ms(span: timedelta) -> int:
    """`span` in whole milliseconds."""
    return round(span.total_seconds() * 1000)


def seconds(count: float) -> timedelta:
    """`count` seconds."""
    return timedelta(seconds=count)


def minutes(count: float) -> timedelta:
    """`count` minutes."""
    return timedelta(minutes=count)


def hours(count: float) -> timedelta:
    """`count` hours."""
    return timedelta(hours=count)


def days(count: float) -> timedelta:
    """`count` days of 24 hours."""
    return timedelta(days=count)


def jittered(pause: float, *, luck: float | None = None) -> float:
    """From half of `pause` to one and a half, so that many who wait for one thing don't meet.

    `luck` (0 to 1) says how far; drawn at random unless given.
    """
    return pause * (0.5 + (random.random() if luck is None else luck))


@dataclass(slots=True)
class Clock:
    """The wall clock, corrected to the server's by what its last answer said."""

    offset: timedelta = _NONE
    _skew_ms: int = field(default=0, repr=False)

    def now(self) -> datetime:
        """The moment it is for the engine, in UTC."""
        return from_ms(time() * 1000 + self._skew_ms) + self.offset

    def now_ms(self) -> int:
        """The same in ms since the epoch, for what only Redis and the history read."""
        now = time_ns() // 1_000_000 + self._skew_ms
        return now + self.offset_ms if self.offset is not _NONE else now

    @property
    def offset_ms(self) -> int:
        """What a script adds to the server's time."""
        return span_ms(self.offset)

    def learn(self, server_ms: float) -> None:
        """Take the server's answer (offset included) as the truth from here on."""
        self._skew_ms = round(server_ms - self.offset_ms - time() * 1000)


class ManualClock(Clock):
    """A clock that tests push forward; real time goes on beneath it."""

    def advance(self, by: timedelta) -> None:
        """Make it `by` later for every client and worker that shares this clock."""
        self.offset += by
