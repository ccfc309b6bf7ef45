"""A report as Markdown: medians with the lowest and the highest round behind them."""

import statistics
from collections.abc import Iterable, Sequence

from benchmark.measured import Cost
from benchmark.report import ASIDE, Report

_NONE = "-"
_COSTS = "what one run costs: own CPU + Redis's, Redis commands, bytes to and fro"
_DIGITS = ((100, 0), (10, 1))  # digits after the point from this number on


def results(report: Report) -> str:
    """What the contestants showed, a row each."""
    return _table(
        ["", *report.contestants],
        ([row, *(_cell(report, each, row) for each in report.contestants)] for row in report.rows),
    )


def asides(report: Report) -> str:
    """What was measured beside the contest."""
    return _table(
        ["beside the contest", ""], ([row, _cell(report, ASIDE, row)] for row in report.aside_rows)
    )


def costs(report: Report) -> str:
    """What one run costs: CPU of the contestant and of Redis, commands, bytes between the two."""
    rows = [
        row for row in report.rows if any(_costs(report, each, row) for each in report.contestants)
    ]
    return _table(
        [_COSTS, *report.contestants],
        (
            [row.rpartition(",")[0], *(_cost(report, each, row) for each in report.contestants)]
            for row in rows
        ),
    )


def conditions(report: Report) -> str:
    """On what and how it was measured, in a sentence or two."""
    packages = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    rounds = "one round" if report.count == 1 else f"{report.count} rounds"
    return (
        f"Medians of {rounds} (lowest..highest). {report.machine}, {report.server} without"
        f" persistence on a unix socket, {packages}."
    )


def whole(report: Report) -> str:
    """Everything."""
    parts = [conditions(report), results(report), costs(report), asides(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def number(value: float) -> str:
    """Three digits that matter, thousands apart."""
    if value == 0:
        return "0"
    digits = next((digits for least, digits in _DIGITS if abs(value) >= least), 2)
    return f"{value:,.{digits}f}"


def _cell(report: Report, contestant: str, row: str) -> str:
    rounds = report.rounds.get(contestant, [])
    if faults := [each.faults[row] for each in rounds if row in each.faults]:
        return f"**{faults[0]}**"
    if values := report.values(contestant, row):
        return _spread(values)
    return next((each.notes[row] for each in rounds if row in each.notes), _NONE)


def _spread(values: Sequence[float]) -> str:
    middle = number(statistics.median(values))
    return (
        middle if len(values) == 1 else f"{middle} ({number(min(values))}..{number(max(values))})"
    )


def _costs(report: Report, contestant: str, row: str) -> list[Cost]:
    return [each.costs[row] for each in report.rounds.get(contestant, []) if row in each.costs]


def _cost(report: Report, contestant: str, row: str) -> str:
    found = _costs(report, contestant, row)
    if not found:
        return _NONE
    own, server, commands, traffic = (
        number(statistics.median(values))
        for values in zip(
            *((c.own_us, c.redis_us, c.commands, c.traffic) for c in found), strict=True
        )
    )
    return f"{own} + {server} µs, {commands} commands, {traffic} B"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(row) for row in rows]
    rule = "|---|" + "---:|" * (len(head) - 1)
    return "\n".join([_line(head), rule, *lines]) if lines else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
