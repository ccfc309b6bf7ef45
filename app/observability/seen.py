"""What there was to see, for the rules to judge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.storage.health import PastCheck
from app.storage.run_times import ScheduledDeath
from app.storage.samples import MachineSample, QueueSample
from app.storage.sightings import Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShare:
    """How many runs of a window failed."""

    failed: int
    total: int

    @property
    def percent(self) -> float:
        """Of a hundred; of no runs none failed."""
        return 100 * self.failed / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there was to see."""

    now: datetime
    runs: Callable[[timedelta], Mapping[str, RunShare]]
    """How the runs ended within this window, by domain."""
    machines: Sequence[MachineSample] = ()
    queues: Sequence[QueueSample] = ()
    dead: Sequence[Sighting] = ()
    """Workers that are gone without a goodbye."""
    given_up: Sequence[ScheduledDeath] = ()
    """Schedules whose latest run is a dead letter."""
    health: PastCheck | None = None
    """The latest health check that ended."""
