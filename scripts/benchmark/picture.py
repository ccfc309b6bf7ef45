"""The report as one SVG: how quickly a queue is drained, and what becomes of that as it grows.

It carries its own background, light or dark as the reader's system is, so that it can be read on
any page.
"""

from benchmark import bars, curves, svg
from benchmark.report import Report

_WIDTH = 820
_MARGIN = 20
_GAP = 28


def draw(report: Report) -> str:
    """The whole picture, as a document."""
    parts = list[str]()
    y: float = _MARGIN
    for panel in (bars.panel(report, width=_WIDTH), curves.panel(report, width=_WIDTH)):
        if panel.parts:
            parts.append(svg.moved(panel.parts, y=y))
            y += panel.height + _GAP
    return svg.document(parts, width=_WIDTH, height=y - _GAP + _MARGIN)
