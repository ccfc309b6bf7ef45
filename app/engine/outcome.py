"""How one attempt ended: decided by the runner, performed by the committer."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import get_args


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The job returned."""

    result: object


@dataclass(frozen=True, slots=True)
class Retrying:
    """It failed, and will be tried again after `delay`."""

    delay: timedelta
    error: BaseException


@dataclass(frozen=True, slots=True)
class Snoozed:
    """It asked to be run later; no attempt is charged."""

    delay: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody cancelled the run."""


@dataclass(frozen=True, slots=True)
class Released:
    """This worker gives it back untouched: it is stopping."""


@dataclass(frozen=True, slots=True)
class Parked:
    """No code here can run it: an unknown name, or a newer payload version."""

    job: str
    version: int


@dataclass(frozen=True, slots=True)
class Dead:
    """It failed, and will not be tried again."""

    error: BaseException


Outcome = Succeeded | Retrying | Snoozed | Cancelled | Released | Parked | Dead


class RunStatus(StrEnum):
    """Where a run stands."""

    DEFERRED = "deferred"
    QUEUED = "queued"
    PARKED = "parked"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    DEAD = "dead"
    UNKNOWN = "unknown"


class Ending(StrEnum):
    """What the event of an attempt says about it."""

    SUCCEEDED = "succeeded"
    RETRYING = "retrying"
    SNOOZED = "snoozed"
    CANCELLED = "cancelled"
    RELEASED = "released"
    PARKED = "parked"
    DEAD = "dead"


_ENDINGS = {kind: Ending(kind.__name__.lower()) for kind in get_args(Outcome)}


def ending_of(outcome: Outcome) -> Ending:
    """The outcome's name."""
    return _ENDINGS[type(outcome)]
