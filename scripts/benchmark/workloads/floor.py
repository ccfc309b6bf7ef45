"""The floor: what is left of a run when there is almost no queue around it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmark.failed import Failed
from benchmark.marks import Marks
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.workload import Aside

TASKS = "asyncio alone: a task for each run, 100 at once, /s"
POPPED = "the same from a Redis list, leased and acknowledged by 100, /s"
_MARKS = "the mark that every run leaves, alone, /s"
_ROWS = (TASKS, POPPED, _MARKS)
_PATIENCE = 300.0  # s


def _play(server: Server, sizes: Sizes) -> Measured:
    server.empty()
    with tempfile.TemporaryDirectory(prefix="steward-bench-") as folder:
        marks = Marks(Path(folder) / "marks")
        done = subprocess.run(
            [sys.executable, "-P", "-m", "benchmark.floor", server.url, str(sizes.n)],
            env={**os.environ, "BENCH_RUNLOG": str(marks.file)},
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        left = marks.count()
    if done.returncode:
        raise Failed(done.stderr)
    if left != len(_ROWS) * sizes.n:
        raise Failed(f"{left:,} marks of {len(_ROWS) * sizes.n:,}")
    return Measured(figures=dict(zip(_ROWS, json.loads(done.stdout), strict=True)))


FLOOR = Aside(
    name="floor",
    about="bare asyncio, and bare asyncio on a Redis list",
    rows=_ROWS,
    play=_play,
)
