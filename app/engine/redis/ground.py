"""What every part of the store stands on: the steps, the clock, the connections."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from app.engine.clock import Clock
from app.engine.redis.connection import Connections
from app.engine.redis.steps import Steps, answering

T = TypeVar("T")

BATCH = 200
"""Items a call: Lua unpacks a few thousand values at most, and a step should be short."""
LONGEST_STREAM = 10_000
"""Entries of the event stream; a recorder that is further behind misses some, and says so."""


class Ground:
    """One server, as the engine's steps see it."""

    def __init__(self, redis: Connections, clock: Clock) -> None:
        """`redis` is shared with whoever made it, and closed by them."""
        self.redis = redis
        self.clock = clock
        self.steps = Steps(redis.line)
        self.listening = self.steps.listening

    async def has(self, key: str) -> bool:
        """Whether it is there: less to ask than a step, for those who look every second."""
        async with answering():
            return bool(await self.redis.line.call("EXISTS", key))

    @property
    def is_at_hand(self) -> bool:
        """Whether there is a connection: what is asked on it is answered, or given up in time."""
        return self.redis.line.is_connected


def chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """The items, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
