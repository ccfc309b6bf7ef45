"""What runs took, in numbers: exact percentiles of the samples there are.

A percentile between two samples lies on the straight line between them, as numpy has it by default.
At most ten thousand samples of a job are kept, the latest; the counts are of all its runs.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from app.engine import Ending
from app.storage.run_times import RunTime

MOST: Final = 10_000
"""Samples of one job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """What one job's runs took; times are in seconds, and zero without a sample."""

    job: str
    runs: int
    succeeded: int
    dead: int
    cancelled: int
    success_rate: float | None
    """Percent of those that succeeded or died; None before the first."""
    samples: int
    average: float
    least: float
    most: float
    deviation: float
    p50: float
    p90: float
    p95: float
    p99: float
    wait_average: float
    wait_p95: float
    attempts_average: float


COLUMNS: Final = tuple(each.name for each in fields(JobSummary))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of values in order; raises `ValueError` when there are none."""
    if not ordered:
        raise ValueError("no values have no percentile")
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def summarize(
    totals: Mapping[tuple[str, Ending], int], latest: Iterable[RunTime]
) -> list[JobSummary]:
    """A summary of each job, by name. `latest` are runs, the newest first."""
    samples = dict[str, list[RunTime]]()
    for run in latest:
        found = samples.setdefault(run.job, [])
        if len(found) < MOST:
            found.append(run)
    names = sorted({job for job, _ in totals} | samples.keys())
    return [_summary(name, totals, samples.get(name, [])) for name in names]


def _summary(
    job: str, totals: Mapping[tuple[str, Ending], int], runs: Sequence[RunTime]
) -> JobSummary:
    succeeded, dead, cancelled = (
        totals.get((job, each), 0) for each in (Ending.SUCCEEDED, Ending.DEAD, Ending.CANCELLED)
    )
    decided = succeeded + dead
    tries = [float(run.attempts) for run in runs]
    waits = sorted(max((run.started_at - run.due_at).total_seconds(), 0) for run in runs)
    took = sorted(max((run.ended_at - run.started_at).total_seconds(), 0) for run in runs)
    return JobSummary(
        job=job,
        runs=succeeded + dead + cancelled,
        succeeded=succeeded,
        dead=dead,
        cancelled=cancelled,
        success_rate=round(100 * succeeded / decided, 2) if decided else None,
        samples=len(runs),
        average=_rounded(_mean(took)),
        least=_rounded(took[0] if took else 0.0),
        most=_rounded(took[-1] if took else 0.0),
        deviation=_rounded(_deviation(took)),
        p50=_percentile(took, 50),
        p90=_percentile(took, 90),
        p95=_percentile(took, 95),
        p99=_percentile(took, 99),
        wait_average=_rounded(_mean(waits)),
        wait_p95=_percentile(waits, 95),
        attempts_average=_rounded(_mean(tries)),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _deviation(values: Sequence[float]) -> float:
    """Of all values, as numpy has it by default."""
    mean = _mean(values)
    return math.sqrt(_mean([(value - mean) ** 2 for value in values]))


def _percentile(ordered: Sequence[float], percent: float) -> float:
    return _rounded(percentile(ordered, percent)) if ordered else 0.0


def _rounded(value: float) -> float:
    return round(value, 6)
