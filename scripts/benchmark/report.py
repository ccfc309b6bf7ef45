"""All that was measured, and on what; as JSON it can be read back and drawn again."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.measured import Measured
from benchmark.sizes import Sizes

ASIDE = ""  # in the place of a contestant's title


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything, in the order of the table."""

    command: str
    machine: str
    server: str
    versions: dict[str, str]
    sizes: Sizes
    contestants: list[str]
    rows: list[str]
    aside_rows: list[str]
    rounds: dict[str, list[Measured]] = field(default_factory=dict[str, list[Measured]])
    """By contestant; what is measured beside the contest is under ASIDE."""

    def values(self, contestant: str, row: str) -> list[float]:
        """One figure, of every round that has it."""
        found = (each.figures.get(row) for each in self.rounds.get(contestant, ()))
        return [each for each in found if each is not None]

    @property
    def has_faults(self) -> bool:
        """Whether anything was lost, doubled or could not be measured."""
        return any(each.faults for rounds in self.rounds.values() for each in rounds)

    @property
    def count(self) -> int:
        """How many rounds there were."""
        return max(map(len, self.rounds.values()), default=0)


def machine() -> str:
    """What this is, without saying whose, and how busy others keep it: asked before it begins."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    cores = f"{os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f} beforehand"
    return f"{cores}, {platform.system()}, {python}"


def versions(contestants: Sequence[Contestant]) -> dict[str, str]:
    """The packages that take part."""
    found = dict[str, str]()
    for each in contestants:
        found |= each.about.versions
    return found


def save(report: Report, file: Path) -> None:
    """Write it down."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def load(file: Path) -> Report:
    """Read it back; raises `Failed` for a file that is something else."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Report)
    except msgspec.MsgspecError as error:
        raise Failed(f"{file} is no report: {error}") from error
