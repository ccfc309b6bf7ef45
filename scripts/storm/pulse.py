"""How much of a processor this machine leaves to one process, felt again and again."""

from collections import deque
from time import monotonic, thread_time

_BEAT = 0.01  # s of work: longer than the turn that a scheduler gives to each
_AS_ONE = 8  # beats, of a lease together: a recovery takes about as long


class Pulse:
    """Works for a moment at each beat, and sees how long that takes."""

    def __init__(self) -> None:
        self._last = deque[float](maxlen=_AS_ONE)
        self.slowest = 1.0
        """How many times as long as on an idle machine, for a lease when it was worst."""

    def beat(self) -> None:
        """Feel it once."""
        began, worked = monotonic(), thread_time()
        while thread_time() - worked < _BEAT:
            pass
        self._last.append((monotonic() - began) / _BEAT)
        if len(self._last) == _AS_ONE:
            self.slowest = max(self.slowest, sum(self._last) / _AS_ONE)
