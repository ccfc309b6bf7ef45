"""What became of all runs of a case, in figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The figures of one case."""

    accepted: int
    completed: int
    rerun: int
    """Runs that began again though no attempt of theirs had failed, or was given back."""
    in_flight: int
    """Attempts that were at work, or not committed, when their worker was killed or cut off."""
    dead: int
    redriven: int
    """Of the dead: those that were run again, as runs of their own."""
    cancelled: int
    effects: int
    recoveries: Sequence[float]
    """Seconds, the shortest first."""

    def recovery(self, share: float) -> float:
        """How long the quickest `share` of them took at most; 0 where nothing had to recover."""
        place = math.ceil(share * len(self.recoveries)) - 1
        return self.recoveries[max(0, place)] if self.recoveries else 0.0
