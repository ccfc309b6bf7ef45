"""A curve for each contestant: the drain by the length of the queue, both on logarithmic scales.

A flat curve is a queue whose length costs nothing.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from benchmark import svg
from benchmark.report import Report
from benchmark.workloads.queued import drain_with

_LEFT, _RIGHT = 90, 190  # px, for the scale's numbers and the names
_TOP, _HEIGHT = 40, 240
_BELOW = 40
_TITLE = "The same with more queued: runs a second (both scales are logarithmic)"
_BETWEEN_NAMES = 16  # px, so that none hides another

Curve = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Where a number stands between two others, by its logarithm."""

    low: float
    high: float
    start: float
    length: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return self.start
        return self.start + self.length * log10(value / self.low) / log10(self.high / self.low)


def panel(report: Report, *, width: float) -> svg.Panel:
    """The curves, under their title."""
    curves = {each: _curve(report, each) for each in report.contestants}
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return svg.Panel(parts=())
    lengths = sorted({length for length, _ in points})
    decades = _decades([rate for _, rate in points])
    x = _Scale(low=lengths[0], high=lengths[-1], start=_LEFT, length=width - _LEFT - _RIGHT)
    y = _Scale(low=decades[0], high=decades[-1], start=_TOP + _HEIGHT, length=-_HEIGHT)
    parts = [
        svg.title(_TITLE),
        *_across(decades, y, width),
        *_down(lengths, x),
        *_drawn(curves, x, y),
    ]
    return svg.Panel(parts=parts, height=_TOP + _HEIGHT + _BELOW)


def _curve(report: Report, contestant: str) -> Curve:
    found = {each: report.values(contestant, drain_with(each)) for each in report.sizes.queued}
    middles = {each: statistics.median(values) for each, values in found.items() if values}
    return [(each, middle) for each, middle in middles.items() if middle]


def _decades(rates: Sequence[float]) -> list[int]:
    """The powers of ten around all of these."""
    low, high = floor(log10(min(rates))), ceil(log10(max(rates)))
    return [10**exponent for exponent in range(low, max(high, low + 1) + 1)]


def _across(decades: Sequence[int], y: _Scale, width: float) -> list[str]:
    lines = [svg.line(_LEFT, y(at), width - _RIGHT, y(at)) for at in decades]
    return lines + [svg.text(f"{at:,}", _LEFT - 10, y(at) + 4, anchor="end") for at in decades]


def _down(lengths: Sequence[int], x: _Scale) -> list[str]:
    foot = _TOP + _HEIGHT
    lines = [svg.line(x(at), _TOP, x(at), foot) for at in lengths]
    names = [f"{at:,} queued" for at in lengths]
    return lines + [
        svg.text(name, x(at), foot + 20, anchor="middle")
        for name, at in zip(names, lengths, strict=True)
    ]


def _drawn(curves: Mapping[str, Curve], x: _Scale, y: _Scale) -> list[str]:
    parts, ends = list[str](), list[tuple[float, float, str]]()
    for place, (name, curve) in enumerate(curves.items()):
        if not curve:
            continue
        points = [(x(length), y(rate)) for length, rate in curve]
        parts.append(svg.path(points, kind=svg.colour(place)))
        parts += [svg.dot(*point, kind=svg.colour(place)) for point in points]
        ends.append((points[-1][1], points[-1][0], name))
    return parts + _names(ends)


def _names(ends: Sequence[tuple[float, float, str]]) -> list[str]:
    """Each contestant's name where its curve ends, or as near below as there is room."""
    parts, taken = list[str](), float("-inf")
    for y, x, name in sorted(ends):
        taken = max(y + 4, taken + _BETWEEN_NAMES)
        parts.append(svg.text(name, x + 12, taken))
    return parts
