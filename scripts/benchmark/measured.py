"""What one contestant showed in one round; every dict is by the row of the table it belongs to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmark.failed import Failed
from benchmark.server import Usage

_LONGEST = 100  # characters of an error in a cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What has been spent so far, by the contestant's own processes and by the server."""

    own: float
    """Seconds of CPU."""
    server: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run costs."""

    own_us: float
    redis_us: float
    commands: float
    traffic: float
    """Bytes between the two."""

    @classmethod
    def between(cls, before: Spent, after: Spent, *, runs: int) -> "Cost":
        """The share of one of so many runs that happened in between."""
        runs = max(runs, 1)
        return cls(
            own_us=(after.own - before.own) / runs * 1e6,
            redis_us=(after.server.cpu - before.server.cpu) / runs * 1e6,
            commands=(after.server.commands - before.server.commands) / runs,
            traffic=(after.server.traffic - before.server.traffic) / runs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Figures and costs; notes stand in the place of a figure, faults also fail the benchmark."""

    figures: dict[str, float] = field(default_factory=dict[str, float])
    costs: dict[str, Cost] = field(default_factory=dict[str, Cost])
    notes: dict[str, str] = field(default_factory=dict[str, str])
    faults: dict[str, str] = field(default_factory=dict[str, str])


def merged(parts: Iterable[Measured]) -> Measured:
    """All that several workloads have shown, as one."""
    whole = Measured()
    for each in parts:
        whole.figures.update(each.figures)
        whole.costs.update(each.costs)
        whole.notes.update(each.notes)
        whole.faults.update(each.faults)
    return whole


def all_failed(rows: Sequence[str], error: Failed) -> Measured:
    """Nothing was measured, and every row says why, as far as that is short."""
    return Measured(faults=dict.fromkeys(rows, f"failed: {_short(str(error))}"))


def _short(text: str) -> str:
    """What stands last in it, on one line that doesn't break a table."""
    last = (text.strip().splitlines() or ["?"])[-1]
    return last.replace("|", "/")[-_LONGEST:]
