"""A network that loses some of what it carries: requests before they arrive, or their answers."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha1
from random import Random

from app.engine.redis.steps import source
from tests.unanswered import Fate

OPERATIONS = {
    "enqueue": ("enqueue", "enqueue_one"),
    "claim": ("claim",),
    "heartbeat": ("say",),
    "complete": ("complete",),
    "retry": ("retry",),
    "bury": ("bury",),
    "cancel": ("cancel",),
}


class Lossy:
    """Judges the requests that carry out one of these operations; all others are answered."""

    def __init__(self, dice: Random, *, share: float) -> None:
        """`share` is lost before it arrives, and as much of the answers."""
        self._dice = dice
        self._share = share
        self._names = {
            sha1(source(step).encode(), usedforsecurity=False).hexdigest().encode(): name
            for name, steps in OPERATIONS.items()
            for step in steps
        }
        self.asked, self.lost, self.unheard = Counter[str](), Counter[str](), Counter[str]()

    def __call__(self, command: Sequence[bytes]) -> Fate:
        """What becomes of it."""
        name = self._names.get(command[1]) if command[0].upper() == b"EVALSHA" else None
        if name is None:
            return Fate.ANSWERED
        self.asked[name] += 1
        chance = self._dice.random()
        if chance < self._share:
            self.lost[name] += 1
            return Fate.LOST
        if chance < 2 * self._share:
            self.unheard[name] += 1
            return Fate.UNHEARD
        return Fate.ANSWERED
