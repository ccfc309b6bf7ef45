"""W3: from just before the call that enqueues to the run's first line, in workers that idle."""

import statistics

from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.marks import begun, wrong_with
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.workload import Workload

_ALONE = ("start after enqueue, p50, ms", "start after enqueue, p99, ms")
_IN_A_CROWD = ("the same among 20 idle workers, p50, ms", "the same among 20 idle workers, p99, ms")
_PROCESSES, _WORKERS = 2, 10


def _play(contestant: Contestant, server: Server, sizes: Sizes) -> Measured:
    measured = Measured()
    with Stage(contestant, server, sizes) as stage:
        stage.start()
        _measure(stage, sizes, _ALONE, measured)
    if contestant.about.is_crowd:
        with Stage(contestant, server, sizes) as stage:
            for _ in range(_PROCESSES):
                stage.start(workers=_WORKERS)
            _measure(stage, sizes, _IN_A_CROWD, measured)
    return measured


def _measure(stage: Stage, sizes: Sizes, rows: tuple[str, str], into: Measured) -> None:
    stage.warm_up()
    before = stage.marks.count()
    sent = stage.enqueue(f"paced:{sizes.pace}", "noop", sizes.paced).times
    stage.until(before + sizes.paced)
    marks = begun(stage.marks.read())
    if wrong := wrong_with(marks, wanted=sizes.paced):
        raise Failed(wrong)
    cuts = statistics.quantiles(((m.when - sent[m.run]) * 1000 for m in marks), n=100)
    into.figures[rows[0]], into.figures[rows[1]] = cuts[49], cuts[98]


LATENCY = Workload(
    name="W3",
    about="from enqueue to start, alone and among 20 idle workers",
    rows=lambda _sizes: (*_ALONE, *_IN_A_CROWD),
    play=_play,
)
