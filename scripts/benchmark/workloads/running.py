"""G2: does a claim cost more when more is running?

Another worker holds so many runs, which stay at the head of the queue; what comes behind them is
drained.
"""

from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.marks import rate, wrong_with
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.work import Work, work_off
from benchmark.workload import Workload

_LONG = 200.0  # s: no run's time limit, and longer than this takes
_BEHIND = 1_000_000  # the number of the first run that is drained


def _drain_beside(running: int) -> str:
    return f"drain while {running:,} run, /s"


def _redis_beside(running: int) -> str:
    return f"Redis CPU a run while {running:,} run, µs"


def _rows(sizes: Sizes) -> tuple[str, ...]:
    return (*map(_drain_beside, sizes.running), *map(_redis_beside, sizes.running))


def _play(contestant: Contestant, server: Server, sizes: Sizes) -> Measured:
    measured = Measured()
    for running in filter(contestant.can_face, sizes.running):
        runs = contestant.at_most(sizes.n)
        with Stage(contestant, server, sizes) as stage:
            if running:
                _keep_busy(stage, running)
            stage.enqueue("bulk", "noop", runs, first=_BEHIND)
            stage.start()
            work = work_off(stage, runs)
        _judge(work, running, runs=runs, into=measured)
    return measured


def _keep_busy(stage: Stage, running: int) -> None:
    stage.start(concurrency=running)
    stage.enqueue("bulk", "nap", running, _LONG)
    if not stage.until(running):
        raise Failed(f"of {running:,} runs at once only {stage.marks.count():,} have begun")


def _judge(work: Work, running: int, *, runs: int, into: Measured) -> None:
    behind = [mark._replace(run=mark.run - _BEHIND) for mark in work.marks if mark.run >= _BEHIND]
    if wrong := wrong_with(behind, wanted=runs if work.is_done else None):
        into.faults[_drain_beside(running)] = wrong
    elif not work.is_done:
        into.notes[_drain_beside(running)] = "comes to a halt" if behind else "stands still"
    else:
        into.figures[_drain_beside(running)] = rate(behind)
        into.figures[_redis_beside(running)] = work.cost.redis_us


RUNNING = Workload(
    name="G2",
    about="drain rate and the server's cost of it by how many are running",
    rows=_rows,
    play=_play,
)
