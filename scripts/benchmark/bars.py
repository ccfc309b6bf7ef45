"""A bar for each contestant, and for the floor: one worker's drain, from zero on one scale."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from benchmark import svg
from benchmark.report import ASIDE, Report
from benchmark.table import number
from benchmark.workloads import drain, floor

_LEFT, _RIGHT = 230, 100  # px beside the bars, for names and for values
_TOP, _STEP, _THICK = 44, 30, 18
_BELOW = 24  # px for the scale's numbers
_TITLE = "One worker drains its queue: runs a second (median; the line: lowest to highest round)"
_FLOOR = {"bare asyncio on a Redis list": floor.POPPED, "bare asyncio": floor.TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    name: str
    values: Sequence[float]
    kind: str

    @property
    def middle(self) -> float:
        return statistics.median(self.values)


def panel(report: Report, *, width: float) -> svg.Panel:
    """The bars, under their title."""
    found = [each for each in _bars(report) if any(each.values)]
    if not found:
        return svg.Panel(parts=())
    top = max(max(each.values) for each in found)
    scale = (width - _LEFT - _RIGHT) / top
    bottom = _TOP + _STEP * len(found)
    parts = [svg.title(_TITLE), *_scale(top, scale, bottom)]
    for place, each in enumerate(found):
        parts += _drawn(each, y=_TOP + _STEP * place, scale=scale)
    return svg.Panel(parts=parts, height=bottom + _BELOW)


def _bars(report: Report) -> list[_Bar]:
    contest = [
        _Bar(name=each, values=report.values(each, drain.ONE), kind=svg.colour(place))
        for place, each in enumerate(report.contestants)
    ]
    beside = [
        _Bar(name=name, values=report.values(ASIDE, row), kind="floor")
        for name, row in _FLOOR.items()
    ]
    return contest + beside


def _scale(top: float, scale: float, bottom: float) -> list[str]:
    ticks = range(0, int(top) + 1, _tick(top))
    lines = [svg.line(_LEFT + at * scale, _TOP - 8, _LEFT + at * scale, bottom) for at in ticks]
    return lines + [
        svg.text(f"{at:,}", _LEFT + at * scale, bottom + 16, anchor="middle") for at in ticks
    ]


def _tick(top: float) -> int:
    """A round step, of which two to ten fit below the top."""
    step = int(10 ** max(0, int(log10(top))))
    return step if top >= 2 * step else max(1, step // 2)


def _drawn(each: _Bar, *, y: float, scale: float) -> list[str]:
    middle, low, high = y + _THICK / 2, min(each.values), max(each.values)
    return [
        svg.text(each.name, _LEFT - 10, middle + 4, anchor="end"),
        svg.bar(_LEFT, y, width=each.middle * scale, height=_THICK, kind=each.kind),
        svg.line(_LEFT + low * scale, middle, _LEFT + high * scale, middle, kind="whisker"),
        svg.text(number(each.middle), _LEFT + high * scale + 8, middle + 4),
    ]
