"""The picture is an image whatever was measured, and its lengths and heights are the numbers."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from benchmark import picture
from benchmark.measured import Measured
from benchmark.report import ASIDE, Report
from benchmark.sizes import QUICK
from benchmark.workloads import drain, floor
from benchmark.workloads.queued import drain_with

SVG = "{http://www.w3.org/2000/svg}"


def report(**rates: float) -> Report:
    """A round of each contestant, with the rate of its drain."""
    return Report(
        command="scripts/bench",
        machine="2 cores",
        server="Valkey 9",
        versions={},
        sizes=replace(QUICK, queued=(10, 100, 1000)),
        contestants=list(rates),
        rows=[],
        aside_rows=[],
        rounds={each: [Measured(figures={drain.ONE: rate})] for each, rate in rates.items()},
    )


def drawn(found: Report) -> ET.Element:
    return ET.fromstring(picture.draw(found))


def widths(image: ET.Element) -> list[float]:
    """How long the bars are."""
    bars = [each for each in image.iter(f"{SVG}rect") if "bar" in each.get("class", "")]
    return [float(each.get("width", "nan")) for each in bars]


def heights(image: ET.Element) -> list[list[float]]:
    """Where the points of every curve lie, measured downwards."""
    curves = [each.get("points", "") for each in image.iter(f"{SVG}polyline")]
    return [[float(point.split(",")[1]) for point in each.split()] for each in curves]


def test_a_bar_is_as_long_as_its_rate() -> None:
    one, other = widths(drawn(report(ours=9000.0, theirs=300.0)))

    assert one / other == pytest.approx(30, rel=0.01)


def test_the_floor_is_among_the_bars() -> None:
    found = report(ours=1000.0)
    found.rounds[ASIDE] = [Measured(figures={floor.TASKS: 4000.0, floor.POPPED: 2000.0})]

    ours, popped, tasks = widths(drawn(found))

    assert popped / ours == pytest.approx(2, rel=0.01)
    assert tasks / ours == pytest.approx(4, rel=0.01)


def test_a_curve_goes_by_the_logarithm_and_is_flat_when_nothing_changes() -> None:
    found = report(flat=1.0, falling=1.0)
    sizes = found.sizes.queued
    found.rounds["flat"] = [Measured(figures={drain_with(each): 500.0 for each in sizes})]
    found.rounds["falling"] = [
        Measured(figures={drain_with(each): 1000.0 / each for each in sizes})
    ]

    flat, falling = heights(drawn(found))

    assert len(set(flat)) == 1
    assert falling[1] - falling[0] == pytest.approx(falling[2] - falling[1], abs=0.2)
    assert falling[1] > falling[0]


def test_a_name_is_shown_whatever_is_in_it() -> None:
    image = drawn(report(**{'<a> & "b"': 10.0}))

    assert '<a> & "b"' in [each.text for each in image.iter(f"{SVG}text")]


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0, 7.0, 123456789.0])
def test_any_rate_can_be_drawn(rate: float) -> None:
    found = report(ours=rate)
    found.rounds["ours"][0].figures[drain_with(10)] = rate

    text = picture.draw(found)

    assert ET.fromstring(text).tag == f"{SVG}svg"
    assert not re.search(r"\b(nan|inf)\b", text)


def test_nothing_measured_is_an_empty_card() -> None:
    assert widths(drawn(report())) == []
