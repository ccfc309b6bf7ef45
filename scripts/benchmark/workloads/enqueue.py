"""W1: how quickly runs are put on a queue, by one process that is connected before the clock."""

from benchmark.contestant import Contestant
from benchmark.measured import Cost, Measured, Spent
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.workload import Workload

_MODES = {
    "each": "enqueue one by one, /s",
    "at-once:100": "enqueue 100 at once, /s",
    "bulk": "enqueue in bulk, /s",
}


def _play(contestant: Contestant, server: Server, sizes: Sizes) -> Measured:
    measured = Measured()
    for mode, row in _MODES.items():
        runs = contestant.at_most(sizes.singly if mode == "each" else sizes.n)
        with Stage(contestant, server, sizes) as stage:
            before = Spent(own=0.0, server=server.usage())
            sent = stage.enqueue(mode, "noop", runs)
            after = Spent(own=sent.cpu, server=server.usage())
        measured.figures[row] = runs / sent.seconds
        measured.costs[row] = Cost.between(before, after, runs=runs)
    return measured


ENQUEUE = Workload(
    name="W1",
    about="enqueue one by one, 100 at once, in bulk",
    rows=lambda _sizes: tuple(_MODES.values()),
    play=_play,
)
