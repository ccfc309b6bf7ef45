"""How much of everything: enough to tell something, or just enough to see that it works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs each workload has, and how long it may take; times are in seconds."""

    n: int = 30_000
    """Runs that are enqueued at once, and drained."""
    singly: int = 5_000
    """Runs that are enqueued one by one."""
    paced: int = 200
    """Runs whose start is waited for."""
    pace: float = 40.0
    """How many of those come in a second."""
    naps: int = 5_000
    """Runs that wait."""
    idle: float = 5.0
    queued: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    running: tuple[int, ...] = (0, 100, 1_000, 5_000)
    lifetime: int = 200_000
    """Runs in the life of one worker."""
    watched: float = 3.0
    """A drain of a long queue is watched for so long."""
    crash: float = 330.0
    """A killed worker's run is waited for; stock arq takes 310."""
    stall: float = 20.0
    """A drain that makes no progress for so long has ended."""


USUAL = Sizes()
QUICK = Sizes(
    n=300,
    singly=100,
    paced=20,
    naps=100,
    idle=1.0,
    queued=(300, 600),
    running=(0, 100),
    lifetime=1_000,
    watched=1.0,
    crash=10.0,
    stall=5.0,
)
