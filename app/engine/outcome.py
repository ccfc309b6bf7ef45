"""How one attempt ended: decided by the runner, performed by the committer."""

from datetime import timedelta
from enum import StrEnum
from typing import get_args

import msgspec


class Succeeded(msgspec.Struct, frozen=True):
    """The job returned."""

    result: object


class Retrying(msgspec.Struct, frozen=True):
    """It failed, and will be tried again after `delay`."""

    delay: timedelta
    error: BaseException


class Snoozed(msgspec.Struct, frozen=True):
    """It asked to be run later, or a provider did; no attempt is charged."""

    delay: timedelta
    reason: str
    asked: timedelta | None = None
    """How long the provider wants to be left alone."""


class Cancelled(msgspec.Struct, frozen=True):
    """Somebody cancelled the run."""


class Released(msgspec.Struct, frozen=True):
    """This worker gives it back untouched: it is stopping."""


class Parked(msgspec.Struct, frozen=True):
    """No code here can run it: an unknown name, or a newer payload version."""

    job: str
    version: int


class Dead(msgspec.Struct, frozen=True):
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
