"""W4: runs that wait, as most real ones do; what would be ideal is known."""

from benchmark.contestant import Contestant
from benchmark.marks import wrong_with
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.work import work_off
from benchmark.workload import Workload
from probe import DONE

_NAP = 0.01  # s
_ROW = "runs that wait 10 ms, % of the ideal"


def _play(contestant: Contestant, server: Server, sizes: Sizes) -> Measured:
    runs = contestant.at_most(sizes.naps)
    with Stage(contestant, server, sizes) as stage:
        stage.enqueue("bulk", "nap", runs, _NAP)
        stage.start()
        work = work_off(stage, 2 * runs, a_run=2)
    if wrong := wrong_with(work.marks, wanted=runs):
        return Measured(faults={_ROW: wrong})
    done = [mark for mark in work.marks if mark.phase == DONE]
    achieved = len(done) / (done[-1].when - work.marks[0].when)
    ideal = contestant.about.concurrency / _NAP
    return Measured(figures={_ROW: 100 * achieved / ideal}, costs={_ROW: work.cost})


WAITING = Workload(
    name="W4",
    about="runs that wait 10 ms",
    rows=lambda _sizes: (_ROW,),
    play=_play,
)
