"""Known courses lead to known advice, in the right units."""

from datetime import timedelta
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.advice import KINDS, Course, Priority, advise, suggest_concurrency
from app.observability.trend import Direction
from app.storage.samples import MachineSample, QueueSample
from tests.kit.performance import generate_performance_data, samples_of
from tests.kit.series import START, flat, line, machine_series, queue_series


def course_of(name: str, samples: list[MachineSample]) -> Course:
    found = advise("here", samples, [], concurrency=10, ahead=timedelta(hours=4))
    return next(each for each in found.courses if each.name == name)


def test_an_idle_machine_needs_nothing() -> None:
    found = advise("here", machine_series(60), [], concurrency=8)

    assert (found.bottleneck, found.recommendations) == ("", ())
    assert (found.host, found.samples) == ("here", 60)


@pytest.mark.parametrize(
    ("percent", "priority"),
    [(69.9, None), (70, Priority.MEDIUM), (89.9, Priority.MEDIUM), (90, Priority.HIGH)],
)
def test_processors_are_judged_in_percent_of_a_hundred(
    percent: float, priority: Priority | None
) -> None:
    found = advise("here", machine_series(60, cpu=flat(percent)), [], concurrency=8)

    assert [each.priority for each in found.recommendations] == ([priority] if priority else [])
    assert found.bottleneck == ("cpu" if priority else "")


def test_every_recommendation_says_what_why_and_what_to_do() -> None:
    samples = machine_series(60, cpu=flat(95), memory=flat(96), disk=flat(97), load=flat(2))
    found = advise("here", samples, queue_series(60, ready=line(10, 60)), concurrency=8)

    assert {each.category for each in found.recommendations} == {
        *("cpu", "memory", "disk", "load", "queue")
    }
    for each in found.recommendations:
        assert each.description
        assert each.impact
        assert each.action
    assert found.bottleneck == "load"  # the furthest above what is high
    killers = {each.category for each in found.recommendations if "killed" in each.impact}
    assert killers == {"memory"}  # a busy processor makes runs slow, and kills none


def test_averages_peaks_and_trends_are_those_of_the_series() -> None:
    course = course_of("memory", machine_series(121, memory=line(40, 5)))

    assert (course.average, course.peak) == (45, 50)
    assert course.trend.slope == pytest.approx(5)
    assert course.trend.direction is Direction.RISING
    assert course.ahead.value == pytest.approx(70)
    assert course.full_in_hours == pytest.approx(9)


def test_what_fills_up_within_a_day_is_told_before_it_is_high() -> None:
    found = advise("here", machine_series(121, disk=line(40, 5)), [], concurrency=8)

    (advice,) = found.recommendations
    assert (advice.category, advice.priority) == ("disk", Priority.LOW)
    assert "5.0 % an hour" in advice.description
    assert "9.0 hours" in advice.impact  # from 50 to 95


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("load", "priority", "concurrency"),
    [(0.1, None, 9), (0.5, None, 8), (0.8, Priority.MEDIUM, 6), (1.0, Priority.HIGH, 6)],
)
def test_minutes_that_are_never_alike_are_judged_by_how_busy_they_were(
    seed: int, load: float, priority: Priority | None, concurrency: int
) -> None:
    minutes = generate_performance_data(120, seed=seed, load=load)

    found = advise("here", samples_of(minutes, cores=8), [], concurrency=8)

    assert {each.priority for each in found.recommendations if each.category == "cpu"} == (
        {priority} if priority else set()
    )
    assert found.bottleneck == ("cpu" if priority else "")
    assert found.concurrency == concurrency
    cpu = next(each for each in found.courses if each.name == "cpu")
    measured = [each.cpu_usage_percent for each in minutes]
    assert cpu.average == pytest.approx(fmean(measured), abs=0.01)
    assert cpu.peak == max(measured)


def test_a_machine_that_gets_busier_by_the_hour_is_seen_through_its_noise() -> None:
    hours = [
        generate_performance_data(
            60, seed=hour, start=START + timedelta(hours=hour), load=hour / 10
        )
        for hour in range(1, 7)
    ]
    course = course_of("cpu", samples_of([minute for hour in hours for minute in hour]))

    assert course.trend.direction is Direction.RISING
    assert course.trend.slope == pytest.approx(10, abs=1)  # percent an hour
    assert course.full_in_hours == pytest.approx((90 - 65) / 10, abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_a_queue_that_goes_up_and_down_does_not_grow(seed: int) -> None:
    waiting = [each.active_connections for each in generate_performance_data(60, seed=seed)]
    queue = queue_series(60, ready=lambda hours: waiting[round(hours * 60)])

    found = advise("here", machine_series(60), queue, concurrency=8)

    assert (found.bottleneck, found.recommendations) == ("", ())


def test_a_queue_that_grows_is_the_bottleneck_of_an_idle_machine() -> None:
    queues: list[QueueSample] = [
        *queue_series(60, ready=line(10, 100), queue="email"),
        *queue_series(60, ready=line(10, 300), queue="ai"),
        *queue_series(60, ready=flat(500), queue="sync"),
    ]
    found = advise("here", machine_series(60), queues, concurrency=8)

    assert found.bottleneck == "queue ai"
    assert len(found.recommendations) == 2


def test_without_samples_nothing_is_claimed() -> None:
    found = advise("here", [], [], concurrency=8)

    assert (found.courses, found.bottleneck, found.concurrency) == ((), "", 8)


@pytest.mark.parametrize(
    ("now", "cpu", "load", "memory", "suggested"),
    [
        (10, 75, 0.5, 50, 8),  # busy: a fifth less
        (10, 75, 0.8, 50, 7),  # the load is high: three tenths less
        (10, 50, 0.5, 50, 10),  # neither
        (10, 10, 0.1, 50, 12),  # idle: a fifth more
        (15, 10, 0.1, 50, 16),  # ... up to two for each of eight cores
        (100, 10, 0.1, 50, 100),
        (10, 10, 0.1, 61, 10),  # no more while so much memory is used
        (1, 99, 2.0, 99, 1),  # never less than one
        (1, 10, 0.1, 50, 2),
    ],
)
def test_the_suggested_concurrency(
    now: int, cpu: float, load: float, memory: float, suggested: int
) -> None:
    assert suggest_concurrency(now, cpu=cpu, load=load, memory=memory, cores=8) == suggested


@given(
    st.integers(1, 10_000),
    st.floats(0, 100),
    st.floats(0, 50),
    st.floats(0, 100),
    st.integers(1, 256),
)
def test_the_suggestion_stays_within_bounds(
    now: int, cpu: float, load: float, memory: float, cores: int
) -> None:
    suggested = suggest_concurrency(now, cpu=cpu, load=load, memory=memory, cores=cores)

    assert 1 <= suggested <= max(now, 2 * cores)


def test_kinds_have_the_thresholds_of_the_replaced_system() -> None:
    assert {kind.name: (kind.high, kind.critical) for kind in KINDS} == {
        "cpu": (70, 90),
        "memory": (80, 95),
        "disk": (80, 95),
        "load": (0.8, 1.2),
    }
