"""Posts that never leave the process: for tests, ours and those of whoever builds on Steward."""

from dataclasses import dataclass, field

from app.services.once import Taken
from app.storage.ways import Way


@dataclass(slots=True)
class MemoryCarrier:
    """Keeps what was sent, and to where; `failing` is raised instead, while set."""

    sent: list[tuple[Way, str]] = field(default_factory=list[tuple[Way, str]])
    failing: Exception | None = None

    async def send(self, way: Way, content: str, *, key: str) -> Taken:
        """Keep it."""
        if self.failing is not None:
            raise self.failing
        self.sent.append((way, content))
        return Taken(key, "kept in memory")

    async def check(self, way: Way) -> str:
        """Say what it is, or raise `failing`."""
        if self.failing is not None:
            raise self.failing
        return f"what goes by {way.channel} is kept in memory"
