"""What a command has found out, printed: a table on a terminal, columns in a pipe, or JSON.

JSON is for programs: stable keys, times in ISO format, spans in seconds, ASCII only, so that no
terminal is steered by it. All the rest goes through `printable`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

from app.cli.table import UNKNOWN, draw
from app.observability.printable import printable
from app.observability.redaction import Redactor

Facts = Mapping[str, object]
"""What is known of one thing: texts, numbers, moments, spans, and lists of these."""

_GAP = "  "
_SECOND = timedelta(seconds=1)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_redacted = Redactor()


def show_json(value: object) -> None:
    """Print the value as one JSON document."""
    print(json.dumps(value, default=plain, indent=2 if sys.stdout.isatty() else None))


def show_table(rows: Sequence[Facts], columns: Sequence[str], *, empty: str) -> None:
    """Print these columns of the rows, or the line `empty` when there are none."""
    if not rows:
        print(empty)
        return
    titles = [each.replace("_", " ") for each in columns]
    cells = [[shown(row.get(each)) for each in columns] for row in rows]
    if sys.stdout.isatty():
        draw(titles, cells)
    else:
        _columns(titles, cells)


def show_facts(facts: Facts) -> None:
    """Print one thing, a fact a line; what is unknown is left out."""
    named = {key.replace("_", " "): shown(value) for key, value in facts.items() if value}
    width = max(map(len, named), default=0)
    for key, text in named.items():
        print(f"{key:<{width}}{_GAP}{text}")


def shown(value: object) -> str:
    """A value as people read it, on one line."""
    match value:
        case None | "":
            text = UNKNOWN
        case bool():
            text = "yes" if value else "no"
        case datetime():
            text = value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case timedelta():
            text = span(value)
        case list() | tuple():
            text = ", ".join(map(shown, cast("Sequence[object]", value)))
        case _:
            text = printable(_redacted(str(value)))
    return text or UNKNOWN


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `25 ms`, `2.1 s`, `3 min 20 s`, `2 days 4 h`."""
    if length < _SECOND:
        return f"{length.total_seconds() * 1000:.0f} ms"
    if length < _MINUTE:
        return f"{length.total_seconds():.1f} s"
    if length < _HOUR:
        return f"{length // _MINUTE} min {(length % _MINUTE).seconds} s"
    if length < _DAY:
        return f"{length // _HOUR} h {length % _HOUR // _MINUTE} min"
    return f"{length.days} days {length % _DAY // _HOUR} h"


def plain(value: object) -> object:
    """A value for which JSON has no form, in one of its forms."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return round(value.total_seconds(), 3)
    return str(value)


def _columns(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    for row in ([each.upper() for each in titles], *cells):
        padded = (f"{text:<{width}}" for text, width in zip(row, widths, strict=True))
        print(_GAP.join(padded).rstrip())
