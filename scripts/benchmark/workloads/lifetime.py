"""G3: does a worker grow with the runs it has done?"""

from benchmark.contestant import Contestant
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.workload import Workload

_LONGEST = 600.0  # s


def _memory_after(runs: int) -> str:
    return f"a worker's memory after {runs:,} runs, MB"


def _rows(sizes: Sizes) -> tuple[str, ...]:
    return (_memory_after(sizes.lifetime // 10), _memory_after(sizes.lifetime))


def _play(contestant: Contestant, server: Server, sizes: Sizes) -> Measured:
    measured = Measured()
    if not contestant.can_face(sizes.lifetime):
        return measured
    with Stage(contestant, server, sizes) as stage:
        stage.enqueue("bulk", "noop", sizes.lifetime)
        stage.start()
        for row, runs in zip(_rows(sizes), (sizes.lifetime // 10, sizes.lifetime), strict=True):
            if stage.until(runs, longest=_LONGEST):
                measured.figures[row] = stage.memory()
            else:
                measured.faults[row] = f"{runs - stage.marks.count():,} lost"
    return measured


LIFETIME = Workload(
    name="G3",
    about="memory of one worker over its life",
    rows=_rows,
    play=_play,
    is_long=True,
)
