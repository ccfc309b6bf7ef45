"""What the benchmark says while it works, on stderr."""

import sys
import time

from benchmark.measured import Measured


def say(line: str) -> None:
    """One line, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def say_what(name: str, measured: Measured) -> None:
    """What was measured."""
    figures = [f"{row} {value:,.1f}" for row, value in measured.figures.items()]
    others = [f"{row}: {text}" for row, text in (measured.notes | measured.faults).items()]
    say(f"{name}: {'; '.join([*figures, *others]) or 'not measured'}")
