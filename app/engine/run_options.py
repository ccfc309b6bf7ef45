"""How one run differs from the job's other runs: when it is due, its id, its key."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.engine.errors import BadArguments

_USUAL_BOUNCES = 10  # so many times its debounce a run waits at most, unless told
_FOREVER = timedelta(days=3650)  # a delay past this is a mistake in units, not a wish
_LAST_YEAR = 9000  # the end of the year 9999 is where parked runs wait
_ID = re.compile(r"[\w.:@+-]{1,200}", re.ASCII)


class Held(StrEnum):
    """How long a key refuses a second run."""

    QUEUED = "queued"
    """Until the run starts."""
    ACTIVE = "active"
    """Until the run has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one run differs from the job's other runs."""

    id: str | None = None
    key: str | None = None
    held: Held | timedelta = Held.ACTIVE
    delay: timedelta | None = None
    at: datetime | None = None
    durable: bool = False
    debounce: timedelta | None = None
    longest_wait: timedelta | None = None
    expires: timedelta | datetime | None = None
    owner: str | None = None
    trace: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be meant: a naive time, a negative delay, an id no key could hold."""
        if self.delay is not None and self.at is not None:
            raise BadArguments("give delay or at, not both")
        if self.delay is not None:
            _refuse_span("delay", self.delay)
        if self.at is not None:
            _refuse_moment("at", self.at)
        if not isinstance(self.held, Held):
            _refuse_span("held", self.held)
        if self.expires is not None:
            self._refuse_expiry()
        if self.debounce is not None or self.longest_wait is not None:
            self._refuse_debounce()
        for name in ("id", "key", "owner"):
            _refuse_name(name, getattr(self, name))

    def _refuse_expiry(self) -> None:
        expires = self.expires
        if isinstance(expires, datetime):
            _refuse_moment("expires", expires)
            is_early = self.at is not None and expires <= self.at
        else:
            _refuse_span("expires", expires)
            is_early = not expires or (self.delay is not None and expires <= self.delay)
        if is_early:
            raise BadArguments("a run can't expire before it is due")

    def _refuse_debounce(self) -> None:
        _refuse_span("debounce", self.debounce)
        _refuse_span("longest_wait", self.longest)
        if not self.debounce or not self.key or self.delay or self.at or self.id:
            raise BadArguments("debounce takes a key, and neither delay, at nor id")
        if self.held is not Held.ACTIVE or self.longest < self.debounce:
            raise BadArguments("debounce takes no held, and at least itself as longest_wait")

    @property
    def longest(self) -> timedelta:
        """How long later calls may keep a debounced run waiting, counted from the first."""
        usual = _USUAL_BOUNCES * (self.debounce or timedelta(0))
        return usual if self.longest_wait is None else self.longest_wait


def _refuse_span(name: str, span: object) -> None:
    if not isinstance(span, timedelta) or not timedelta(0) <= span <= _FOREVER:
        raise BadArguments(f"{name} must be a timedelta between 0 and ten years, not {span!r}")


def _refuse_moment(name: str, at: object) -> None:
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise BadArguments(f"{name} must be a datetime with a time zone, not {at!r}")
    if at.year > _LAST_YEAR:
        raise BadArguments(f"{name} is too far away: {at.isoformat()}")


def _refuse_name(name: str, value: object) -> None:
    if value is not None and not (isinstance(value, str) and _ID.fullmatch(value)):
        raise BadArguments(f"{name} must be 1 to 200 of letters, digits and . : @ + - _")
