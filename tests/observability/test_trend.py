"""Series with a known course have that course."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.trend import (
    FURTHEST,
    Confidence,
    Direction,
    Point,
    forecast,
    hours_until,
    trend_of,
)

START = datetime(2026, 11, 30, tzinfo=UTC)


def line(start: float, per_hour: float, *, count: int = 60, minutes: float = 1) -> list[Point]:
    return [
        (START + timedelta(minutes=minutes * each), start + per_hour * minutes * each / 60)
        for each in range(count)
    ]


@given(st.floats(-100, 100), st.floats(-50, 50), st.integers(2, 200), st.sampled_from([1, 7, 90]))
def test_a_straight_line_is_found_whatever_the_distance_of_its_samples(
    start: float, per_hour: float, count: int, minutes: int
) -> None:
    points = line(start, per_hour, count=count, minutes=minutes)

    trend = trend_of(points)

    assert trend.slope == pytest.approx(per_hour, abs=1e-6)
    assert trend.level == pytest.approx(points[-1][1], abs=1e-5)


@pytest.mark.parametrize(
    ("per_hour", "direction"),
    [
        (0.02, Direction.RISING),
        (-0.02, Direction.FALLING),
        (0.0099, Direction.STABLE),
        (-0.0099, Direction.STABLE),
        (0.0, Direction.STABLE),
    ],
)
def test_a_slope_of_a_hundredth_is_stable(per_hour: float, direction: Direction) -> None:
    assert trend_of(line(50, per_hour)).direction is direction


@pytest.mark.parametrize(
    ("count", "confidence"),
    [
        (0, Confidence.LOW),
        (9, Confidence.LOW),
        (10, Confidence.MEDIUM),
        (49, Confidence.MEDIUM),
        (50, Confidence.HIGH),
    ],
)
def test_confidence_is_by_the_number_of_samples(count: int, confidence: Confidence) -> None:
    trend = trend_of(line(50, 1, count=count))

    assert forecast(trend, timedelta(hours=1)).confidence is confidence


def test_a_forecast_is_in_hours_and_not_in_samples() -> None:
    trend = trend_of(line(20, 5, count=120))  # two hours, a sample a minute

    assert forecast(trend, timedelta(hours=4)).value == pytest.approx(20 + 5 * 119 / 60 + 20)


def test_a_forecast_reaches_a_day_and_stays_within_what_can_be() -> None:
    trend = trend_of(line(50, 10))

    far = forecast(trend, timedelta(days=9), most=100)

    assert (far.ahead, far.value) == (FURTHEST, 100)
    assert forecast(trend_of(line(50, -10)), FURTHEST).value == 0


def test_one_moment_has_no_slope() -> None:
    points = [(START, 1.0), (START, 3.0)]

    assert (trend_of(points).slope, trend_of(points).level) == (0.0, 2.0)
    assert trend_of([]).samples == 0


@pytest.mark.parametrize(
    ("start", "per_hour", "hours"),
    [(80, 5, 2.0), (80, 0, None), (80, -5, None), (96, 1, 0.0), (50, 1, None)],
)
def test_the_time_until_a_limit(start: float, per_hour: float, hours: float | None) -> None:
    points = [(moment, value - per_hour * 59 / 60) for moment, value in line(start, per_hour)]

    found = hours_until(trend_of(points), 90)

    assert found == (None if hours is None else pytest.approx(hours))
