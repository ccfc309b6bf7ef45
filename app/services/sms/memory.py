"""SMS that never leave the process: for tests, ours and those of whoever builds on Steward."""

from dataclasses import dataclass, field

from app.services.once import Taken
from app.services.sms.provider import Standing, Whereabouts


@dataclass(slots=True)
class MemorySms:
    """Keeps what was sent; of `failing`, the first is raised instead, and taken out."""

    sent: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    failing: list[Exception] = field(default_factory=list[Exception])
    whereabouts: dict[str, Whereabouts] = field(default_factory=dict[str, Whereabouts])
    """What it says of those it took, by id; of the others, that they are on their way."""

    async def send(self, to: str, text: str) -> Taken:
        """Keep it, under its number as an id."""
        if self.failing:
            raise self.failing.pop(0)
        self.sent.append((to, text))
        return Taken(f"SM{len(self.sent)}", "kept in memory")

    async def look(self, provider_id: str) -> Whereabouts:
        """Say what was put here."""
        return self.whereabouts.get(provider_id, Whereabouts(Standing.ON_ITS_WAY))

    async def check(self) -> str:
        """Say what it is, or raise the first of `failing`."""
        if self.failing:
            raise self.failing.pop(0)
        return "SMS are kept in memory"
