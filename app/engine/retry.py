"""When to try again: pure arithmetic, no I/O.

what the job raised                                        what follows
RetryLater                                                 again after its delay, no attempt charged
Discard, PermanentError, PermissionError, ValueError       never again, even if it asks
an error with `retry_after`                                not before what the provider asked
anything else                                              the job's own policy, or `by_class`
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from app.engine.errors import (
    BadArguments,
    DeclarationError,
    Discard,
    PermanentError,
    TooLarge,
)

JITTER = 0.1  # each delay is stretched by up to this share, so that failures spread out

_PERMANENT = (
    *(Discard, PermanentError, PermissionError, ValueError),
    *(BadArguments, DeclarationError, TooLarge),  # a mistake in the job's own code
)
_BY_CLASS: tuple[tuple[type[Exception], timedelta], ...] = (  # the replaced system's figures
    (TimeoutError, timedelta(seconds=30)),
    (ConnectionError, timedelta(seconds=60)),
    (MemoryError, timedelta(seconds=120)),
    (OSError, timedelta(seconds=120)),
)
_OTHERWISE = timedelta(seconds=60)
_LONGEST = timedelta(days=3650)  # a provider that asks for more means never, and dates end in 9999
_DEEPEST_CAUSE = 20  # causes may form a circle


class RetryPolicy(Protocol):
    """How often a run is tried, and how long it waits between two tries."""

    @property
    def attempts(self) -> int:
        """All tries, the first included."""
        ...

    def wait(self, attempt: int, error: BaseException, /) -> timedelta:
        """How long to wait after failed `attempt` (1 is the first)."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same wait after every failure."""

    delay: timedelta
    attempts: int = 4

    def wait(self, _attempt: int, _error: BaseException, /) -> timedelta:
        """Wait `delay`, whatever happened."""
        return self.delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Double the wait after each failure, up to `longest`."""

    attempts: int = 5
    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(hours=1)

    def wait(self, attempt: int, _error: BaseException, /) -> timedelta:
        """Wait `first`, then twice that, then four times, never more than `longest`."""
        doublings = max(0, min(attempt - 1, 60))  # 2**60 passes any `longest`; a float holds it
        doubled = self.first.total_seconds() * 2**doublings
        return timedelta(seconds=min(doubled, self.longest.total_seconds()))


@dataclass(frozen=True, slots=True)
class ByClass:
    """The wait depends on what went wrong: connection 60 s, timeout 30 s, resource 120 s."""

    attempts: int = 4

    def wait(self, _attempt: int, error: BaseException, /) -> timedelta:
        """Look the error's class up; 60 s when it is none of those."""
        return next((delay for kind, delay in _BY_CLASS if isinstance(error, kind)), _OTHERWISE)


BY_CLASS = ByClass()
NEVER = Fixed(timedelta(0), attempts=1)


def delay_after(
    policy: RetryPolicy, attempt: int, error: BaseException, *, luck: float | None = None
) -> timedelta | None:
    """How long to wait after `attempt` ended in `error`; None when it must not run again.

    `luck` (0 to 1) stretches the wait by up to `JITTER`; drawn at random unless given.
    A provider's `retry_after` (a timedelta on the error or its cause) is a lower bound.
    """
    if attempt >= policy.attempts or is_permanent(error):
        return None
    asked = retry_after(error) or timedelta(0)
    wait = min(max(policy.wait(attempt, error), asked), _LONGEST)
    return stretched(wait, luck=luck)


def stretched(wait: timedelta, *, luck: float | None = None) -> timedelta:
    """`wait` and up to `JITTER` of it more, so that failures spread out."""
    return wait * (1 + JITTER * (random.random() if luck is None else luck))


def is_permanent(error: BaseException) -> bool:
    """Whether trying again cannot help: validation, permission and authentication errors."""
    return isinstance(error, _PERMANENT)


def retry_after(error: BaseException) -> timedelta | None:
    """The wait a provider asked for: `retry_after` of the error, or of what caused it."""
    current: BaseException | None = error
    for _ in range(_DEEPEST_CAUSE):
        asked = getattr(current, "retry_after", None)
        if isinstance(asked, timedelta):
            return asked
        current = current.__cause__ if current else None
    return None
