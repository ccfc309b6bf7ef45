"""A run as the model knows it, and how exactly it knows the time."""

from dataclasses import dataclass
from enum import StrEnum

from app.engine.run import NewRun


class Place(StrEnum):
    """Where a run stands; of one that was forgotten nothing is known."""

    QUEUED = "queued"
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    DEAD = "dead"
    REPLAYED = "replayed"


@dataclass(kw_only=True)
class Run:
    """One run, from its receipt on."""

    new: NewRun
    earliest: float
    latest: float
    place: Place = Place.QUEUED
    lease: tuple[str, int] | None = None
    charged: int = 0
    is_counted: bool = False
    """Whether more than the lease of its first attempt counts them."""
    failures: int = 0
    is_asked: bool = False
    """Whether somebody cancelled it while it ran."""
    may_hide: bool = False
    """Whether a claim may have passed it by before it was free, and not look back yet."""
    keeps_result: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.place not in (Place.QUEUED, Place.PARKED)

    @property
    def lease_text(self) -> str:
        """As the server holds it."""
        return f"{self.lease[0]}:{self.lease[1]}" if self.lease else ""


@dataclass(kw_only=True)
class Span:
    """Between which moments a step was carried out, in ms by the server's clock and our offset."""

    before: float
    after: float
