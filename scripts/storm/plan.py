"""How much of everything there is in one storm."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """The least that a storm must do to be one."""

    kill_every: float = 0.7  # s, on average
    restarts: int = 3
    toxic: float = 0.05
    """The share of connections."""
    previous: float = 0.4
    """The share of worker processes, half of which are wanted; some end before they are at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One storm; the same seed gives the same calls, and the same faults at about the same time."""

    seed: int
    runs: int
    seconds: float = math.inf
    """How long to enqueue, if that comes first."""
    pace: float = math.inf
    """How many runs are enqueued in a second at most."""
    producers: int = 4
    workers: int = 4
    """Every other one is of the previous release."""
    slots: int = 20
    lease: float = 2.0  # s
    limit: float = 2
    """Leases that a recovery may take."""
    is_shared: bool = False
    """Whether others work on this machine: then the limit grows with what they take from us."""
    kill_every: float = 0.6  # s between two killed workers
    restart_every: float = 6.0  # s between two times that Redis is killed
    longest_outage: float = 3.0  # s: more than a lease
    has_database: bool = False
    """Whether effects are kept in a database, which takes twice as long; else in Redis."""
    toxic: float = 0.05
    """The share of connections that are toxic at any time."""
    demands: Demands = Demands()
    backlog: int = 1_000
    """How many runs may be under way before the producers wait."""
    patience: float = 120.0  # s without any run that ends: then something is stuck

    @property
    def deadline(self) -> float:
        """Seconds that all of it may take: no storm waits for ever."""
        slowest = 40  # runs a second, on a machine that does much else
        return min(self.seconds, self.runs / slowest) + 2 * self.patience
