"""The recorder, which turns what happened into the history of runs, beside a worker at full speed.

It has a process of its own. Each run makes one event here; what one costs, and whether the recorder
keeps up, is asked of its database.
"""

import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmark import family
from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.marks import rate
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.workload import Aside

_RATE = "events recorded beside a worker at full speed, /s"
_COST = "the recorder's CPU an event, µs"
_BEHIND = "how far it is behind when the queue is empty, s"
_MISSED = "events it missed, %"
_BESIDE = "drain by that worker, /s"
_STEWARD = Path(__file__).resolve().parents[2] / "bench_adapter.py"
_STARTING = 60.0  # s
_LOOK = 0.02  # s
_ENDING = 10.0  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """How far the history goes, in events, and how many of these it lacks."""

    last: int
    missed: int


def _play(server: Server, sizes: Sizes) -> Measured:
    steward = Contestant.all_of(_STEWARD)[0]
    with Stage(steward, server, sizes) as stage, _recording(server) as (pid, history):
        stage.enqueue("bulk", "noop", sizes.n)
        before = family.cpu_seconds(pid)
        stage.start()
        if not stage.until(sizes.n):
            raise Failed(f"only {stage.marks.count():,} runs of {sizes.n:,}")
        seen = _wait_for(history, sizes.n, patience=sizes.stall)
        ended, marks = time.monotonic(), stage.marks.read()
        spent = family.cpu_seconds(pid) - before
    recorded = max(1, seen.last - seen.missed)
    return Measured(
        figures={
            _RATE: recorded / (ended - marks[0].when),
            _COST: spent / recorded * 1e6,
            _BEHIND: ended - marks[-1].when,
            _MISSED: 100 * (1 - recorded / sizes.n),
            _BESIDE: rate(marks),
        }
    )


@contextmanager
def _recording(server: Server) -> Generator[tuple[int, Path]]:
    """A recorder at work, by its process id and its database; needs an emptied server."""
    with tempfile.TemporaryDirectory(prefix="steward-bench-") as folder:
        history = Path(folder) / "history.db"
        command = [sys.executable, "-P", "-m", "benchmark.recording", server.url, str(history)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
            try:
                _wait_for(history, 0, patience=_STARTING)
                yield process.pid, history
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_ENDING)
                process.kill()


def _wait_for(history: Path, last: int, *, patience: float) -> _Seen:
    """Wait until the history goes so far; raises `Failed` when it stops growing before."""
    seen, since = _Seen(last=-1, missed=0), time.monotonic()
    while seen.last < last:
        if time.monotonic() - since > patience:
            raise Failed(f"the recorder stands still at {seen.last:,} of {last:,} events")
        time.sleep(_LOOK)
        if (now := _look(history)) != seen:
            seen, since = now, time.monotonic()
    return seen


def _look(history: Path) -> _Seen:
    with suppress(sqlite3.OperationalError):  # not there yet, or its tables are being made
        with closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as database:
            (missed,) = database.execute(
                "SELECT coalesce(sum(missed), 0) FROM history_gaps"
            ).fetchone()
            found = database.execute("SELECT last FROM history_position").fetchone()
            return _Seen(last=found[0] if found else 0, missed=missed)
    return _Seen(last=-1, missed=0)


RECORDER = Aside(
    name="recorder",
    about="what Steward's recorder costs, and whether it keeps up",
    rows=(_RATE, _COST, _BEHIND, _MISSED, _BESIDE),
    play=_play,
)
