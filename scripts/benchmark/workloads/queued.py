"""G1: does a worker drain more slowly when more lies before it?

A long queue is not drained to its end but watched for a few seconds.
"""

from benchmark.contestant import Contestant
from benchmark.marks import begun, rate, wrong_with
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.workload import Workload


def drain_with(queued: int) -> str:
    """The row for so many runs queued."""
    return f"drain with {queued:,} queued, /s"


def _play(contestant: Contestant, server: Server, sizes: Sizes) -> Measured:
    measured = Measured()
    for queued in filter(contestant.can_face, sizes.queued):
        row = drain_with(queued)
        with Stage(contestant, server, sizes) as stage:
            stage.enqueue("bulk", "noop", queued)
            stage.start()
            stage.until(1)
            is_drained = stage.until(queued, longest=sizes.watched)
            marks = begun(stage.marks.read())
        if wrong := wrong_with(marks, wanted=queued if is_drained else None):
            measured.faults[row] = wrong
        else:
            measured.figures[row] = rate(marks)
    return measured


QUEUED = Workload(
    name="G1",
    about="drain rate by the length of the queue",
    rows=lambda sizes: tuple(map(drain_with, sizes.queued)),
    play=_play,
)
