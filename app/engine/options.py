"""How a worker works."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What may differ from one worker to another; the defaults suit one machine."""

    concurrency: int = 100
    lease: timedelta = timedelta(seconds=8)
    poll: timedelta = timedelta(seconds=2)
    """How often to look at the queues when nothing was heard of them."""
    grace: timedelta = timedelta(seconds=10)
    """How long short runs may take to finish once the worker is told to stop."""
    abandon_after: timedelta = timedelta(seconds=10)
    """How long a cancelled run may take to clean up."""
    keep_result: timedelta = timedelta(minutes=60)
    max_block: timedelta = timedelta(seconds=120)
    accept_plain: bool = False
    burst: bool = False


USUAL = WorkerOptions()
