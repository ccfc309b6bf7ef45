"""What one worker process has done, counted as it happens.

The worker counts, and not who keeps the history: each outcome is committed by one worker, which
hears of it once, and whoever scrapes adds the processes up. So every run is in one process's
numbers, once. They begin at zero with the process, as Prometheus expects of counters.

A histogram is a row of numbers that never grows, and counting costs a microsecond or two; a
process that nobody watches does not count at all.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.engine import Ending, Over, ending_of

SECONDS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0),
)
"""From the quickest job to the longest that the replaced system allowed."""
TRIES: Final = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0)

_OVER = frozenset((Ending.SUCCEEDED, Ending.CANCELLED, Ending.DEAD))
_BEGAN = frozenset((*_OVER, Ending.RETRYING))  # a snoozed or released run begins again later
_NOBODYS = "?"  # a job that nobody here has declared: a label for each made-up name has no end


class Histogram:
    """How many values were not above each bound; the last place is for those above all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value; a clock that was set back counts as zero."""
        value = max(value, 0.0)
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


@dataclass(slots=True)
class JobTally:
    """What came of one job's runs."""

    attempts: dict[Ending, int] = field(default_factory=lambda: dict.fromkeys(Ending, 0))
    runs: dict[Ending, int] = field(default_factory=lambda: dict.fromkeys(_OVER, 0))
    duration: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    """Of a run's last attempt, in seconds."""
    wait: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    """From when a run was due until its first attempt began, in seconds."""
    tries: Histogram = field(default_factory=lambda: Histogram(TRIES))
    """How many attempts a run took, as its policy counts them."""

    @property
    def success_ratio(self) -> float | None:
        """The share of runs that succeeded among those that did or died; None before the first."""
        succeeded, dead = self.runs[Ending.SUCCEEDED], self.runs[Ending.DEAD]
        return succeeded / (succeeded + dead) if succeeded + dead else None


class Tally:
    """Hears of outcomes, and counts them by job and queue."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], JobTally] = {}

    @property
    def jobs(self) -> Mapping[tuple[str, str], JobTally]:
        """The counts, by job and queue."""
        return self._jobs

    def heard(self, over: Over) -> None:
        """Count one attempt that is over, and its run if that is over too."""
        key = (over.job.name if over.job else _NOBODYS, over.run.queue)
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = JobTally()
        ending = ending_of(over.outcome)
        job.attempts[ending] += 1
        if over.run.attempt == 1 and ending in _BEGAN:
            job.wait.add((over.started_ms - (over.known.sf or over.known.et)) / 1000)
        if ending in _OVER:
            job.runs[ending] += 1
            job.duration.add((over.ended_ms - over.started_ms) / 1000)
            job.tries.add(over.run.charged)
