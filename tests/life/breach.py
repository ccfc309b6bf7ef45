"""A promise that was not kept, and how that is told."""

from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 20  # breaches of one case: the first ones tell enough


@dataclass(frozen=True, slots=True)
class Breach:
    """Which invariant, and what was found instead."""

    invariant: str
    what: str


def in_lines(breaches: Sequence[Breach]) -> str:
    """The first of them, a line each."""
    lines = [f"{each.invariant}: {each.what}" for each in breaches[:_SHOWN]]
    if more := len(breaches) - len(lines):
        lines.append(f"and {more} more")
    return "\n".join(lines)
