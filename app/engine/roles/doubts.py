"""What a worker can't be sure of once an answer of Redis was lost, and for how long.

An answer that was lost may have brought runs. For a while after it the worker is wary: claims go
one at a time, and each names all runs this worker knows it has, so that what else is leased to it
comes again. And for one lease after the connection broke it is patient: nothing is taken over from
others, who may be on their way back.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic

from app.engine.run import Claim, Share

_WARY = 30  # s after an unanswered claim: a server that hung may still act on it


class Doubts:
    """Of one worker, which serves these queues."""

    def __init__(self, queues: Sequence[str], *, patience: timedelta) -> None:
        """`patience`: how long others may take to come back after the connection broke."""
        self._queues = queues
        self._patience = patience.total_seconds()
        self._wary_until = 0.0
        self._unseen: set[str] = set()
        self._patient_until = 0.0
        self._is_cut_off = False

    def rise(self) -> None:
        """Runs may be leased to this worker that no answer brought."""
        self._wary_until = monotonic() + _WARY
        self._unseen = set(self._queues)

    def lost(self) -> None:
        """The connection broke, or an answer did not come."""
        self._is_cut_off = True
        self.rise()

    def answered(self) -> None:
        """Redis is there."""
        if self._is_cut_off:
            self._is_cut_off = False
            self._patient_until = monotonic() + self._patience

    @property
    def are_wary(self) -> bool:
        """For a while, and until each queue was seen to its end."""
        return bool(self._unseen) or monotonic() < self._wary_until

    @property
    def are_patient(self) -> bool:
        """Whether others may be on their way back to what they have left."""
        return self._is_cut_off or monotonic() < self._patient_until

    def see(self, claim: Claim, want: int, shares: Sequence[Share]) -> None:
        """Of which queues this claim, which looked for ours from the head on, has met the last."""
        self._unseen -= {run.queue for run in claim.runs if not run.is_counted}  # behind all ours
        if len(claim.runs) < want:
            taken = Counter(run.queue for run in claim.runs)
            self._unseen -= {each.queue for each in shares if taken[each.queue] < each.most}
