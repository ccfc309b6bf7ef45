"""The way out for SMS, whatever lies behind it: a provider over HTTP, or a test's memory."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.services.once import Taken


class Standing(StrEnum):
    """What a provider says of an SMS that it took."""

    ON_ITS_WAY = "on_its_way"
    DELIVERED = "delivered"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where an SMS is; of one that is lost, `code` says why."""

    standing: Standing
    code: int = 0


class SmsProvider(Protocol):
    """Sends SMS."""

    async def send(self, to: str, text: str) -> Taken:
        """Return once the provider has taken it; raises an `SmsError` otherwise."""
        ...

    async def look(self, provider_id: str) -> Whereabouts:
        """Ask where an SMS is that was taken; raises an `SmsError`."""
        ...

    async def check(self) -> str:
        """Try it without sending: one line on what works, or an `SmsError` naming the setting."""
        ...
