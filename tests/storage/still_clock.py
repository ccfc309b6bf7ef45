"""A clock that stands still until a test moves it: for what happens at exactly one moment."""

from datetime import UTC, datetime, timedelta

TICK = timedelta(microseconds=1)
"""The least by which one moment is later than another."""


class StillClock:
    """Tells the time it was set to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """The moment it is."""
        return self.time

    def advance(self, by: timedelta) -> None:
        """Make it so much later."""
        self.time += by
