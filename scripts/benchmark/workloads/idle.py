"""W5: what a warmed-up worker holds and does while there is nothing to do."""

import time

from benchmark.contestant import Contestant
from benchmark.measured import Measured
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.stage import Stage
from benchmark.workload import Workload

_MEMORY = "an idle worker's memory, MB"
_COMMANDS = "its Redis commands, /s"
_CPU = "its CPU, %"
_QUESTIONS = 1  # of the commands are the benchmark's own


def _play(contestant: Contestant, server: Server, sizes: Sizes) -> Measured:
    with Stage(contestant, server, sizes) as stage:
        stage.start()
        stage.warm_up()
        memory, before = stage.memory(), stage.spent()
        time.sleep(sizes.idle)
        after = stage.spent()
    commands = after.server.commands - before.server.commands - _QUESTIONS
    return Measured(
        figures={
            _MEMORY: memory,
            _COMMANDS: commands / sizes.idle,
            _CPU: 100 * (after.own - before.own) / sizes.idle,
        }
    )


IDLE = Workload(
    name="W5",
    about="memory, commands and CPU of an idle worker",
    rows=lambda _sizes: (_MEMORY, _COMMANDS, _CPU),
    play=_play,
)
