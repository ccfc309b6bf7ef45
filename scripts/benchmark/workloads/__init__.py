"""Everything that is measured, in the order of the table.

enqueue  W1    drain    W2    latency  W3    waiting  W4    idle  W5    crash  W6
queued   G1    running  G2    lifetime G3    the growth curves
floor          recorder       beside the contest
"""

from benchmark.workload import Aside, Wait, Workload
from benchmark.workloads.crash import CRASH
from benchmark.workloads.drain import DRAIN
from benchmark.workloads.enqueue import ENQUEUE
from benchmark.workloads.floor import FLOOR
from benchmark.workloads.idle import IDLE
from benchmark.workloads.latency import LATENCY
from benchmark.workloads.lifetime import LIFETIME
from benchmark.workloads.queued import QUEUED
from benchmark.workloads.recorder import RECORDER
from benchmark.workloads.running import RUNNING
from benchmark.workloads.waiting import WAITING

WORKLOADS: dict[str, Workload | Wait] = {
    each.name: each
    for each in (ENQUEUE, DRAIN, LATENCY, WAITING, IDLE, CRASH, QUEUED, RUNNING, LIFETIME)
}
ASIDES: dict[str, Aside] = {each.name: each for each in (FLOOR, RECORDER)}
