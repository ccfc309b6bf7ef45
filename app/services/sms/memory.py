"""SMS that never leave the process: for tests, ours and those of whoever builds on Steward."""

from collections.abc import Callable
from dataclasses import dataclass, field

from app.services.once import Taken
from app.services.sms.errors import SmsError
from app.services.sms.provider import Standing, Whereabouts


@dataclass(slots=True)
class MemorySms:
    """Keeps what was sent; of `failing`, the first is raised instead, and taken out."""

    sent: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    failing: list[Exception] = field(default_factory=list[Exception])
    whereabouts: dict[str, Whereabouts | SmsError] = field(
        default_factory=dict[str, Whereabouts | SmsError]
    )
    """What it says of those it took, by id; of the others, that they are on their way."""

    on_sent: Callable[[], None] = lambda: None
    """Called for each that it takes."""

    async def send(self, to: str, text: str) -> Taken:
        """Keep it, under its number as an id."""
        if self.failing:
            raise self.failing.pop(0)
        self.sent.append((to, text))
        self.on_sent()
        return Taken(f"SM{len(self.sent)}", "kept in memory")

    async def look(self, provider_id: str) -> Whereabouts:
        """Say, or raise, what was put here."""
        said = self.whereabouts.get(provider_id, Whereabouts(Standing.ON_ITS_WAY))
        if isinstance(said, SmsError):
            raise said
        return said

    async def check(self) -> str:
        """Say what it is, or raise the first of `failing`."""
        if self.failing:
            raise self.failing.pop(0)
        return "SMS are kept in memory"
