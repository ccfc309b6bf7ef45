"""Runs that ignored their cancellation, and are still at something here.

Such a run must not begin again beside itself: a worker that claims it leaves it to others for a
while, uncharged. Where nobody else takes it, this worker has done its part: it stops, and what does
not listen ends with the process, for a fresh one to go on.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from app.engine.outcome import Snoozed
from app.engine.run import Claimed

_PAUSES = 4  # in one lease
_LEASES = 2  # for others to take it


class Deaf:
    """Those of one worker."""

    def __init__(
        self, is_here: Callable[[str], bool], *, lease: timedelta, retire: Callable[[str], None]
    ) -> None:
        """`is_here` says whether a run of this id was abandoned and goes on; `retire` stops."""
        self._is_here = is_here
        self._lease = lease
        self._retire = retire
        self._met = dict[str, tuple[float, float]]()
        """When each was claimed first, of late, and last."""

    def left(self, run: Claimed) -> Snoozed | None:
        """How to leave it to others, if it can't begin here."""
        now, lease = monotonic(), self._lease.total_seconds()
        self._met = {id: met for id, met in self._met.items() if now - met[1] < lease}
        if not self._is_here(run.id):
            return None
        first, _ = self._met.get(run.id, (now, now))  # else others have had it in between
        self._met[run.id] = (first, now)
        if now - first >= _LEASES * lease:
            self._retire(f"run {run.id} ignored its cancellation, and nobody else tries it again")
        return Snoozed(self._lease / _PAUSES, "an earlier attempt of it is still at work here")
