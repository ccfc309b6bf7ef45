"""Every run is counted once, in numbers that never grow."""

import sys
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import Ending
from app.engine.outcome import Dead, Parked, Released, Retrying, Snoozed, Succeeded
from app.observability.tally import SECONDS, Histogram, JobTally, Tally
from tests.observability.overs import over

SOON = timedelta(seconds=1)


def of_email(tally: Tally) -> JobTally:
    return tally.jobs["tests.write", "email"]


def test_a_run_is_counted_with_its_duration_wait_attempts_and_outcome() -> None:
    tally = Tally()

    tally.heard(over(Succeeded(None), enqueued=1_000, started=1_700, took=250))

    job = of_email(tally)
    assert job.runs[Ending.SUCCEEDED] == job.attempts[Ending.SUCCEEDED] == 1
    assert (job.duration.count, job.duration.total) == (1, 0.25)
    assert (job.wait.count, job.wait.total) == (1, 0.7)
    assert (job.tries.count, job.tries.total) == (1, 1)


def test_a_run_that_was_retried_is_one_run_of_several_attempts() -> None:
    tally = Tally()
    for attempt in (1, 2):
        tally.heard(over(Retrying(SOON, OSError()), attempt=attempt, started=1_500))
    tally.heard(over(Succeeded(None), attempt=3, started=9_000))

    job = of_email(tally)
    assert (job.attempts[Ending.RETRYING], sum(job.attempts.values())) == (2, 3)
    assert sum(job.runs.values()) == 1
    assert job.wait.total == 0.5  # until the first of them began
    assert (job.wait.count, job.duration.count) == (1, 1)
    assert job.tries.total == 3


@pytest.mark.parametrize("outcome", [Snoozed(SOON, "busy"), Released(), Parked("x", 2)])
def test_what_is_given_back_is_no_run_yet(outcome: Snoozed | Released | Parked) -> None:
    tally = Tally()

    tally.heard(over(outcome))

    job = of_email(tally)
    assert sum(job.attempts.values()) == 1
    assert sum(job.runs.values()) == job.wait.count == job.duration.count == 0


def test_a_scheduled_run_waits_from_when_it_was_due() -> None:
    tally = Tally()

    tally.heard(over(Succeeded(None), enqueued=0, due=60_000, started=61_000))

    assert of_email(tally).wait.total == 1


def test_attempts_that_ended_with_their_worker_are_not_charged() -> None:
    tally = Tally()

    tally.heard(over(Succeeded(None), attempt=3, uncharged=2))

    assert of_email(tally).tries.total == 1


def test_the_success_ratio_is_of_what_succeeded_or_died() -> None:
    tally = Tally()
    for outcome in (Succeeded(None), Succeeded(None), Succeeded(None), Dead(OSError())):
        tally.heard(over(outcome))

    assert of_email(tally).success_ratio == 0.75
    assert JobTally().success_ratio is None


def test_names_that_strangers_made_up_share_one_label() -> None:
    tally = Tally()
    for number in range(100):
        tally.heard(over(Dead(OSError()), job=None, run_id=f"run-{number}"))

    assert list(tally.jobs) == [("?", "email")]


def test_a_hundred_thousand_runs_take_no_more_memory_than_one() -> None:
    tally, done = Tally(), over(Succeeded(None))
    tally.heard(done)
    job = of_email(tally)
    before = sys.getsizeof(job.duration.counts), len(job.attempts)

    for _ in range(100_000):
        tally.heard(done)

    assert (sys.getsizeof(job.duration.counts), len(job.attempts)) == before
    assert job.duration.count == 100_001


@given(st.lists(st.floats(min_value=0, max_value=1e5)))
def test_each_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed(
    values: list[float],
) -> None:
    histogram = Histogram(SECONDS)
    for value in values:
        histogram.add(value)

    so_far = 0
    for bound, count in zip(SECONDS, histogram.counts, strict=False):
        so_far += count
        assert so_far == sum(value <= bound for value in values)
    assert histogram.count == len(values)


def test_a_clock_that_was_set_back_counts_as_nothing() -> None:
    histogram = Histogram((1.0,))

    histogram.add(-5)

    assert (histogram.counts, histogram.total) == ([1, 0], 0)
