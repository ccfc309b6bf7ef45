"""What ran, when, and in which worker, as the runs themselves have written it down."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from probe import RECORD, START

WARM_UP = 4_000_000_000  # runs from this number on make workers warm, and are not counted


class Mark(NamedTuple):
    """A run has begun, or is done."""

    when: float
    run: int
    worker: int
    phase: int


class Marks:
    """The file that all runs of a workload write to."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def count(self) -> int:
        """How many there are, those of the warm-up among them."""
        return self.file.stat().st_size // RECORD.size

    def read(self) -> list[Mark]:
        """All but those of the warm-up, in the order of time."""
        data = self.file.read_bytes()
        whole = data[: len(data) // RECORD.size * RECORD.size]
        marks = (Mark(*fields) for fields in RECORD.iter_unpack(whole))
        return sorted(mark for mark in marks if mark.run < WARM_UP)


def begun(marks: Iterable[Mark]) -> list[Mark]:
    """The marks of beginnings."""
    return [mark for mark in marks if mark.phase == START]


def rate(marks: Sequence[Mark]) -> float:
    """Marks in a second, from the first to the last."""
    span = marks[-1].when - marks[0].when if marks else 0.0
    return (len(marks) - 1) / span if span else 0.0


def wrong_with(marks: Iterable[Mark], *, wanted: int | None) -> str:
    """What is wrong if each of the wanted runs was to begin once; None: as many as did."""
    times = Counter(mark.run for mark in begun(marks))
    doubled = times.total() - len(times)
    lost = len(set(range(wanted or 0)) - times.keys())
    said = [f"{count:,} {what}" for count, what in ((lost, "lost"), (doubled, "doubled")) if count]
    return ", ".join(said)
