"""W6: one of two workers is killed in the middle of a run; how long until the other has it?"""

import time
from collections.abc import Generator

from benchmark import family
from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.marks import begun
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.workload import Wait

_ROW = "kill -9 until the run starts elsewhere, s"
_LONG = 200.0  # s: no run's time limit, and longer than it is let run
_IN_THE_MIDDLE = 0.5  # s


def _begin(contestant: Contestant, server: Server, sizes: Sizes) -> Generator[None, None, Measured]:
    with Stage(contestant, server, sizes) as stage:
        killed = _kill_one(stage, sizes)
        while time.monotonic() < killed + sizes.crash:
            marks = begun(stage.marks.read())
            if len(marks) > 1:
                return Measured(figures={_ROW: marks[1].when - killed})
            yield
    return Measured(notes={_ROW: f"over {sizes.crash:.0f}"})


def _kill_one(stage: Stage, sizes: Sizes) -> float:
    """The moment at which the worker with the run was killed."""
    stage.start()
    stage.start()
    stage.warm_up()
    before = stage.marks.count()
    stage.enqueue("each", "nap", 1, _LONG)
    if not stage.until(before + 1, longest=sizes.stall):
        raise Failed("the run to be interrupted never started")
    time.sleep(_IN_THE_MIDDLE)
    victim = stage.workers[stage.marks.read()[0].worker]
    killed = time.monotonic()
    family.kill(victim.pid)
    return killed


CRASH = Wait(
    name="W6",
    about="kill -9 a worker, wait for the other",
    rows=lambda _sizes: (_ROW,),
    begin=_begin,
)
