"""How a worker works."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What may differ from one worker to another; the defaults suit one machine."""

    concurrency: int = 100
    lease: timedelta = timedelta(seconds=8)
    poll: timedelta = timedelta(seconds=1.5)
    """How often to look at the queues when nothing was heard of them."""
    grace: timedelta = timedelta(seconds=10)
    """How long short runs may take to finish once the worker is told to stop."""
    abandon_after: timedelta = timedelta(seconds=10)
    """How long a cancelled run may take to clean up."""
    keep_result: timedelta = timedelta(minutes=60)
    max_crashes: int = 3
    """How many workers may die with a run before it is given up, where its policy allows so many
    attempts; the last of them has nothing else to run."""
    keep_dead: timedelta = timedelta(0)
    """How long dead letters are kept; zero is for ever."""
    max_block: timedelta = timedelta(seconds=120)
    guarded: bool = False
    """Whether a process beside it shows it alive while a call keeps the interpreter."""
    max_runs: int = 0
    """After how many runs the worker ends, for a fresh process to go on; 0: none."""
    max_memory: int = 0
    """At how many MiB of resident memory it does the same; 0: none."""
    accept_plain: bool = False
    burst: bool = False
    turn: int = 8
    """Every so many claims, one starts at a lower queue: the smaller, the larger their share."""
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many runs of a queue at once; those it doesn't name may have every slot."""


USUAL = WorkerOptions()
