"""scripts/bench: measure, print the table, draw the picture."""

import shlex
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from app.local.errors import LocalError
from benchmark import family, picture, publication, report, table
from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.options import Options, options
from benchmark.report import Report
from benchmark.tournament import Tournament
from benchmark.workloads import ASIDES, WORKLOADS

_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Do what the command line wants; 1 when something was lost, doubled or not measured."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        wanted = options(arguments)
        found = report.load(wanted.earlier) if wanted.earlier else measure(wanted, arguments)
        hand_out(found, wanted)
    except (Failed, LocalError, OSError) as error:
        print(f"steward: scripts/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        family.kill_all_of_mine()
    return int(found.has_faults)


def measure(wanted: Options, arguments: Sequence[str]) -> Report:
    """Play it all; raises `Failed` when an adapter can't take part."""
    contestants = [each for adapter in wanted.adapters for each in Contestant.all_of(adapter)]
    workloads = [each for name, each in WORKLOADS.items() if name in wanted.workloads]
    asides = [each for name, each in ASIDES.items() if name in wanted.workloads]
    tournament = Tournament(
        contestants, workloads, asides, binary=wanted.binary, sizes=wanted.sizes
    )
    machine = report.machine()
    rounds = tournament.play(wanted.rounds)
    return Report(
        command=shlex.join(["scripts/bench", *arguments]),
        machine=machine,
        server=tournament.server,
        versions=report.versions(contestants),
        sizes=wanted.sizes,
        contestants=[each.about.title for each in contestants],
        rows=[row for each in workloads for row in each.rows(wanted.sizes)],
        aside_rows=[row for each in asides for row in each.rows],
        rounds=rounds,
    )


def hand_out(found: Report, wanted: Options) -> None:
    """Print the table; write what else is wanted."""
    print(table.whole(found), end="")
    if wanted.json:
        report.save(found, wanted.json)
    if wanted.svg:
        wanted.svg.write_text(picture.draw(found), encoding="utf-8")
    if wanted.publish:
        publication.publish(found)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
