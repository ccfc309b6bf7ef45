"""How Steward is: each of its parts measured, and judged by thresholds that say why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Level(StrEnum):
    """How a part is, from good to bad."""

    NOT_CONFIGURED = "not_configured"
    """Nobody asked for it, and nothing is wrong."""
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It works, and somebody should look at it."""
    UNHEALTHY = "unhealthy"
    """Work is not being done, or soon won't be."""

    @classmethod
    def worst(cls, levels: Iterable["Level"]) -> "Level":
        """The worst of several."""
        return max(levels, key=list(cls).index, default=cls.HEALTHY)


class PlainTrouble(Exception):
    """What keeps a provider from being of use, in words of ours: everybody may read them."""


class BrokenSetting(PlainTrouble):
    """What is set can't work, now or later: until somebody changes it, no work is done with it."""


class ReportStatus(StrEnum):
    """What a health check comes to, as the result of a job."""

    SUCCESS = "success"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of Steward: its measure, and a line about it without addresses or passwords."""

    name: str
    level: Level
    line: str
    measured: float | None = None
    """None when there was no answer."""
    unit: str = ""

    @property
    def is_issue(self) -> bool:
        """Whether somebody should look at it."""
        return self.level in (Level.DEGRADED, Level.UNHEALTHY)

    def __str__(self) -> str:
        """What is wrong with it."""
        return f"{self.name}: {self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """What a health check found."""

    status: ReportStatus
    overall: Level
    checked_at: datetime
    took: timedelta
    parts: tuple[Part, ...]

    @property
    def issues(self) -> tuple[str, ...]:
        """The lines of the parts that somebody should look at."""
        return tuple(str(part) for part in self.parts if part.is_issue)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From which measure on a part is degraded, or unhealthy."""

    answer: timedelta = timedelta(seconds=1)
    """Database and Redis answer in milliseconds; after a second each job feels it."""
    no_answer: timedelta = timedelta(seconds=5)
    """After that a part counts as silent: a claim takes a lease of ten seconds at most."""
    wait: timedelta = timedelta(minutes=1)
    """Reminders are looked for every minute; a run that waits longer makes one late."""
    stuck: timedelta = timedelta(minutes=15)
    """No queue is this far behind while anybody works on it."""
    dead_letters: int = 10_000
    """More than anybody looks through; never unhealthy: no work is kept from being done."""
    disk: int = 2 * 1024**3
    """Bytes: Redis rewrites its file, and backups are made, beside the old ones."""
    disk_full: int = 500 * 1024**2
    """Bytes: the next write may be the one that fails."""
    memory: float = 90.0
    """Percent in use, where the replaced system warned."""
    memory_full: float = 97.0
    """Percent in use: the system is about to kill somebody."""
    cpu: float = 90.0
    """Percent in use. Never unhealthy: a busy machine works."""


USUAL = Thresholds()


def answered(name: str, seconds: float, line: str, limits: Thresholds) -> Part:
    """A part that took so long to answer."""
    slow, silent = limits.answer.total_seconds(), limits.no_answer.total_seconds()
    milliseconds = round(seconds * 1000, 1)
    return Part(
        name=name,
        level=graded(seconds, degraded=slow, unhealthy=silent),
        measured=milliseconds,
        unit="ms",
        line=f"{line} in {milliseconds:g} ms",
    )


def graded(value: float, *, degraded: float, unhealthy: float | None) -> Level:
    """How a measure is that gets worse upwards; a threshold belongs to the worse side."""
    if unhealthy is not None and value >= unhealthy:
        return Level.UNHEALTHY
    return Level.DEGRADED if value >= degraded else Level.HEALTHY
