"""The time that repositories write into their rows; a test gives them another."""

from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """The moment it is, aware."""
    return datetime.now(UTC)
