"""Summaries are exact: percentiles as numpy has them, counts of all runs, bounded samples."""

import statistics
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import Ending
from app.observability.summary import MOST, percentile, summarize
from app.storage.run_times import RunTime

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def runs(*seconds: float, job: str = "tests.work", wait: float = 0.5) -> list[RunTime]:
    return [
        RunTime(
            job=job,
            status=Ending.SUCCEEDED,
            attempts=2,
            due_at=NOON - timedelta(seconds=wait),
            started_at=NOON,
            ended_at=NOON + timedelta(seconds=each),
        )
        for each in seconds
    ]


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, 1.0), (50, 5.5), (90, 9.1), (95, 9.55), (99, 9.91), (100, 10.0)],
)
def test_percentiles_of_one_to_ten_are_numpys(percent: float, expected: float) -> None:
    """What `numpy.percentile(range(1, 11), percent)` says."""
    assert percentile([float(each) for each in range(1, 11)], percent) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=200))
def test_percentiles_agree_with_the_inclusive_quantiles(values: Sequence[float]) -> None:
    """The standard library's inclusive method is numpy's default."""
    ordered = sorted(values)

    expected = statistics.quantiles(ordered, n=100, method="inclusive")

    found = [percentile(ordered, percent) for percent in range(1, 100)]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile([], 50)


def test_a_summary_by_hand() -> None:
    totals = {
        ("tests.work", Ending.SUCCEEDED): 6,
        ("tests.work", Ending.DEAD): 2,
        ("tests.work", Ending.CANCELLED): 1,
    }

    (told,) = summarize(totals, runs(2, 4, 4, 4, 5, 5, 7, 9))

    assert (told.runs, told.succeeded, told.dead, told.cancelled) == (9, 6, 2, 1)
    assert told.success_rate == 75
    assert (told.samples, told.average, told.least, told.most) == (8, 5, 2, 9)
    assert told.deviation == 2  # numpy.std of these
    assert (told.p50, told.wait_average, told.wait_p95, told.attempts_average) == (4.5, 0.5, 0.5, 2)


def test_a_job_without_a_decided_run_has_no_rate() -> None:
    (told,) = summarize({("tests.work", Ending.CANCELLED): 3}, [])

    assert (told.success_rate, told.samples, told.p99) == (None, 0, 0)


def test_samples_of_a_job_are_bounded_to_the_latest() -> None:
    many = [*runs(*[1.0] * MOST), *runs(*[100.0] * 50)]

    (told,) = summarize({("tests.work", Ending.SUCCEEDED): len(many)}, many)

    assert (told.runs, told.samples, told.most) == (MOST + 50, MOST, 1)


def test_jobs_are_told_apart_by_name() -> None:
    told = summarize({}, [*runs(1, job="b"), *runs(2, job="a")])

    assert [(each.job, each.average) for each in told] == [("a", 2), ("b", 1)]


def test_a_clock_that_was_set_back_counts_as_no_time() -> None:
    (told,) = summarize({}, runs(-5, wait=-3))

    assert (told.least, told.wait_average) == (0, 0)
