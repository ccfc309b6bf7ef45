"""The few elements of SVG that the picture is made of, and its colours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.card { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.whisker { stroke: #1f2328; stroke-width: 1.5 }
.line { fill: none; stroke-width: 2.5 }
.c0 { fill: #0969da; stroke: #0969da } .c1 { fill: #54aeff; stroke: #54aeff }
.c2 { fill: #bc4c00; stroke: #bc4c00 } .c3 { fill: #d4a72c; stroke: #d4a72c }
.c4 { fill: #8250df; stroke: #8250df } .floor { fill: #818b98; stroke: #818b98 }
.bar { stroke: none } .line { fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .card { fill: #0d1117 } .grid { stroke: #3d444d }
.whisker { stroke: #f0f6fc }
.c0 { fill: #388bfd; stroke: #388bfd } .c1 { fill: #79c0ff; stroke: #79c0ff }
.c2 { fill: #db6d28; stroke: #db6d28 } .c3 { fill: #e3b341; stroke: #e3b341 }
.line { fill: none }
}
"""
_COLOURS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A part of the picture, drawn from its own upper left corner; empty if there is nothing."""

    parts: Sequence[str]
    height: float = 0


def colour(number: int) -> str:
    """The class of the contestant with this number."""
    return f"c{number % _COLOURS}"


def text(words: str, x: float, y: float, *, anchor: str = "start", kind: str = "") -> str:
    """Words on a line whose foot is at y."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}</text>'


def title(words: str) -> str:
    """What a panel shows."""
    return text(words, 20, 18, kind="title")


def line(x1: float, y1: float, x2: float, y2: float, *, kind: str = "grid") -> str:
    """From one point to another."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def bar(x: float, y: float, *, width: float, height: float, kind: str) -> str:
    """A filled box."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="bar {kind}" {place}/>'


def path(points: Iterable[tuple[float, float]], *, kind: str) -> str:
    """Straight from point to point."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="line {kind}" points="{places}" style="fill:none"/>'


def dot(x: float, y: float, *, kind: str) -> str:
    """A point that was measured."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'


def moved(parts: Iterable[str], *, y: float) -> str:
    """The parts, further down."""
    return f'<g transform="translate(0 {y:.1f})">\n' + "\n".join(parts) + "\n</g>"


def document(parts: Iterable[str], *, width: float, height: float) -> str:
    """All of it, on a card."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}">'
    card = f'<rect class="card" width="{width:.0f}" height="{height:.0f}" rx="8"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", card, *parts, "</svg>\n"])
