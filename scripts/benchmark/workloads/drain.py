"""W2: a queue of runs that do nothing, worked off by one worker, and by two.

The clock runs from the first mark to the last. With two workers it starts when both have run
something, and there is twice as much to do.
"""

import time

from benchmark.contestant import Contestant
from benchmark.marks import Mark, rate, wrong_with
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.work import Work, work_off
from benchmark.workload import Workload

ONE = "drain, one worker, /s"
_TWO = "drain, two workers, /s"
_BYTES = "bytes in Redis a queued run"
_SETTLE = 0.3  # s until the server has forgotten who enqueued


def _play(contestant: Contestant, server: Server, sizes: Sizes) -> Measured:
    runs, measured = contestant.at_most(sizes.n), Measured()
    with Stage(contestant, server, sizes) as stage:
        measured.figures[_BYTES] = _bytes_of_one(stage, server, runs)
    for row, workers in ((ONE, 1), (_TWO, 2)):
        with Stage(contestant, server, sizes) as stage:
            stage.enqueue("bulk", "noop", runs * workers)
            for _ in range(workers):
                stage.start()
            work = work_off(stage, runs * workers)
        _judge(work, row, runs=runs * workers, workers=workers, into=measured)
    return measured


def _bytes_of_one(stage: Stage, server: Server, runs: int) -> float:
    stage.enqueue("each", "noop", 1)  # what the first one brings along is no run's
    time.sleep(_SETTLE)
    empty = server.usage().memory
    stage.enqueue("bulk", "noop", runs, first=1)
    time.sleep(_SETTLE)
    return (server.usage().memory - empty) / runs


def _judge(work: Work, row: str, *, runs: int, workers: int, into: Measured) -> None:
    begins = _begins(work.marks)
    if wrong := wrong_with(work.marks, wanted=runs):
        into.faults[row] = wrong
    elif len(begins) < workers:
        into.notes[row] = "too short to tell"
    else:
        all_at_work = max(begins.values())
        into.figures[row] = rate([mark for mark in work.marks if mark.when >= all_at_work])
        into.costs[row] = work.cost


def _begins(marks: list[Mark]) -> dict[int, float]:
    """When each worker ran its first."""
    return {mark.worker: mark.when for mark in reversed(marks)}


DRAIN = Workload(
    name="W2",
    about="drain by one worker and by two, each run exactly once",
    rows=lambda _sizes: (ONE, _TWO, _BYTES),
    play=_play,
)
