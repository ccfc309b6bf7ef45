"""What to measure, how much of it, who takes part, and where the results go."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from app.local.binary import find_binary
from benchmark.sizes import QUICK, USUAL, Sizes
from benchmark.workloads import ASIDES, WORKLOADS

_SCRIPTS = Path(__file__).resolve().parents[1]
_ADAPTERS = [_SCRIPTS / "bench_adapter.py", _SCRIPTS / "bench_arq.py"]
_NAMES = [*WORKLOADS, *ASIDES]
_USUAL_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line, understood."""

    sizes: Sizes
    workloads: tuple[str, ...]
    rounds: int
    adapters: tuple[Path, ...]
    binary: Path
    json: Path | None
    svg: Path | None
    publish: bool
    earlier: Path | None
    """A report to draw again, instead of measuring."""


def options(arguments: Sequence[str]) -> Options:
    """Understand a command line; a wrong one ends the process, in one line."""
    parser = _parser()
    found = parser.parse_args(arguments)
    if found.publish and (found.quick or len(found.workloads) < len(_NAMES)):
        parser.error("--publish needs every workload, and not --quick")
    sizes = QUICK if found.quick else USUAL
    return Options(
        sizes=replace(
            sizes,
            n=found.n or sizes.n,
            queued=found.queued or sizes.queued,
            running=sizes.running if found.running is None else found.running,
            lifetime=found.lifetime or sizes.lifetime,
            crash=found.crash or sizes.crash,
        ),
        workloads=tuple(found.workloads),
        rounds=found.rounds or (1 if found.quick else _USUAL_ROUNDS),
        adapters=tuple(found.adapter or _ADAPTERS),
        binary=found.redis_server or find_binary(),
        json=found.json,
        svg=found.svg,
        publish=found.publish,
        earlier=found.earlier,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"steward: scripts/bench: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="scripts/bench",
        description="Steward beside stock arq, and beside what no queue could beat.",
        epilog="workloads: " + "; ".join(_described()),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="see that everything works; the numbers mean nothing")
    add("--workloads", type=_workloads, default=tuple(_NAMES), help="some, with commas between")
    add("--rounds", type=_positive, help=f"how often ({_USUAL_ROUNDS})")
    add("--n", type=_positive, help=f"runs to enqueue and to drain ({USUAL.n:,})")
    add("--queued", type=_numbers, help="lengths of queues for G1, with commas between")
    add("--running", type=_numbers, help="numbers of running runs for G2")
    add("--lifetime", type=_positive, help="runs in a worker's life, for G3")
    add("--crash", type=float, help=f"longest wait in W6, in seconds ({USUAL.crash:.0f})")
    add("--adapter", type=_file, action="append", help="who takes part, instead of ours and arq's")
    add("--redis-server", type=_file, help="another program than Steward's own Valkey")
    add("--json", type=Path, help="write all that was measured here")
    add("--svg", type=Path, help="write the picture here")
    add("--publish", action="store_true", help="put table and picture where README shows them")
    add("--from", dest="earlier", type=_file, help="measure nothing, draw an earlier --json again")
    return parser


def _described() -> list[str]:
    workloads = [f"{each.name} {each.about}" for each in WORKLOADS.values()]
    return workloads + [f"{each.name} {each.about}" for each in ASIDES.values()]


def _workloads(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := sorted(set(names).difference(_NAMES)):
        what = f"no workload is called {unknown[0]!r}; there are {', '.join(_NAMES)}"
        raise argparse.ArgumentTypeError(what)
    return names


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(each) for each in text.split(",")}))


def _file(text: str) -> Path:
    file = Path(text).resolve()
    if not file.is_file():
        raise argparse.ArgumentTypeError(f"no file {text}")
    return file
