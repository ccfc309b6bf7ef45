"""How much was done to a storm's runs, and whether it was enough to call it a storm."""

from collections.abc import Iterator
from dataclasses import dataclass

from storm.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """All of it."""

    seconds: float
    """How long it raged."""
    kills: int
    restarts: int
    """How often Redis was killed."""
    toxic: int
    connections: int
    """Each is counted anew for every second that it lived."""
    previous: int
    """The worker processes of the previous release."""
    started: int
    """All of them."""

    @property
    def kill_every(self) -> float:
        """Seconds between two killed workers, on average."""
        return self.seconds / max(1, self.kills)

    @property
    def toxic_share(self) -> float:
        """Of all connections, at any time."""
        return self.toxic / max(1, self.connections)

    @property
    def previous_share(self) -> float:
        """Of all worker processes."""
        return self.previous / max(1, self.started)

    def lacking(self, plan: Plan) -> Iterator[str]:
        """What was less than the plan demands."""
        least = plan.demands
        if self.kill_every > least.kill_every:
            yield f"a worker was killed every {self.kill_every:.2f} s, not {least.kill_every:g} s"
        if self.restarts < least.restarts:
            yield f"Redis was killed {self.restarts} times, not {least.restarts}"
        if self.toxic_share < least.toxic:
            yield f"{self.toxic_share:.1%} of connections were toxic, not {least.toxic:.0%}"
        if self.previous_share < least.previous:
            yield (
                f"{self.previous_share:.0%} of workers were of the previous release,"
                f" not {least.previous:.0%}"
            )
