"""What a series of values does over time: its slope, where it leads, how sure that is.

Time is in hours, so a slope is per hour, whatever the distance of samples: some are a minute apart,
and where a machine was off none are for a night. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

STABLE: Final = 0.01
"""A slope within this is none: a hundredth of a percent an hour is a quarter in a day."""
FURTHEST: Final = timedelta(hours=24)
_LOW, _MEDIUM = 10, 50  # samples: fewer are a guess
_LINE = 3  # samples: two always lie on a line
_CLEAR = 3  # standard errors: chance alone makes such a slope once in hundreds of looks

Point = tuple[datetime, float]


class Direction(StrEnum):
    """Where a series goes."""

    RISING = "rising"
    FALLING = "falling"
    STABLE = "stable"


class Confidence(StrEnum):
    """How much a forecast rests on."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The straight line that is closest to a series."""

    slope: float
    """How much it changes in an hour."""
    level: float
    """Where the line is at the last sample."""
    samples: int
    noise: float = 0.0
    """The slope's standard error: how much of it chance alone may have made."""

    @property
    def is_clear(self) -> bool:
        """Whether it is a course, and not what values that go up and down happen to make."""
        return self.samples >= _LINE and abs(self.slope) > _CLEAR * self.noise

    @property
    def direction(self) -> Direction:
        """Where it goes."""
        if abs(self.slope) <= STABLE:
            return Direction.STABLE
        return Direction.RISING if self.slope > 0 else Direction.FALLING

    @property
    def confidence(self) -> Confidence:
        """How much it rests on."""
        if self.samples < _LOW:
            return Confidence.LOW
        return Confidence.MEDIUM if self.samples < _MEDIUM else Confidence.HIGH


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Where a series will be."""

    ahead: timedelta
    value: float
    confidence: Confidence


def trend_of(points: Sequence[Point]) -> Trend:
    """The line of least squares; a series of one moment, or none, has no slope."""
    if not points:
        return Trend(slope=0.0, level=0.0, samples=0)
    end = max(moment for moment, _ in points)
    hours = [(moment - end) / timedelta(hours=1) for moment, _ in points]
    values = [value for _, value in points]
    middle, mean = sum(hours) / len(hours), sum(values) / len(values)
    spread = sum((hour - middle) ** 2 for hour in hours)
    together = sum(
        (hour - middle) * (value - mean) for hour, value in zip(hours, values, strict=True)
    )
    slope = together / spread if spread > 0 else 0.0
    level = mean - slope * middle
    misses = [value - level - slope * hour for hour, value in zip(hours, values, strict=True)]
    noise = _noise(misses, spread) if spread > 0 else 0.0
    return Trend(slope=slope, level=level, samples=len(points), noise=noise)


def _noise(misses: Sequence[float], spread: float) -> float:
    freedom = max(len(misses) - 2, 1)
    return math.sqrt(math.fsum(miss**2 for miss in misses) / freedom / spread)


def forecast(
    trend: Trend, ahead: timedelta, *, least: float = 0.0, most: float = float("inf")
) -> Forecast:
    """Where the line leads, a day at most, and within what the value can be."""
    ahead = min(max(ahead, timedelta(0)), FURTHEST)
    value = trend.level + trend.slope * (ahead / timedelta(hours=1))
    return Forecast(ahead=ahead, value=min(max(value, least), most), confidence=trend.confidence)


def hours_until(trend: Trend, limit: float) -> float | None:
    """In how many hours a line that clearly rises is at the limit; None if not within a day."""
    if trend.level >= limit:
        return 0.0
    if trend.direction is not Direction.RISING or not trend.is_clear:
        return None
    hours = (limit - trend.level) / trend.slope
    return hours if hours <= FURTHEST / timedelta(hours=1) else None
