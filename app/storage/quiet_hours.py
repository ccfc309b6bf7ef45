"""The hours in which a user is not to be disturbed, on the clock of their own zone."""

import re
from dataclasses import dataclass
from datetime import time

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class InvalidQuietHours(ValueError):
    """This does not say from when to when."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of the day to another, over midnight if the second is the earlier."""

    begins: time
    ends: time

    @classmethod
    def parse(cls, text: str) -> "QuietHours":
        """Read `22:00-07:30`; raises `InvalidQuietHours`."""
        found = _HOURS.fullmatch(text)
        if found is None or text[:5] == text[6:]:
            raise InvalidQuietHours("quiet hours must be two times such as 22:00-07:30")
        hour, minute, end_hour, end_minute = map(int, found.groups())
        return cls(time(hour, minute), time(end_hour, end_minute))

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.begins:%H:%M}-{self.ends:%H:%M}"

    @property
    def is_over_midnight(self) -> bool:
        """Whether they end on the day after they begin."""
        return self.ends < self.begins

    def covers(self, wall: time) -> bool:
        """Whether it is quiet at this time of the day; the end is not quiet any more."""
        if self.is_over_midnight:
            return wall >= self.begins or wall < self.ends
        return self.begins <= wall < self.ends
