"""What becomes of a notification: on each channel by itself."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.services.notifications.texts import Kind, body_text, headline
from app.storage.users import User
from app.storage.ways import Channel

TOLD_NOW: Final = "told now"
"""What a notice in the application says of itself when it is new."""


class DeliveryStatus(StrEnum):
    """What became of a notification on one channel."""

    DELIVERED = "delivered"
    QUEUED = "queued"
    """It is written down, and the run that sends it tells what became of it."""
    DECLINED = "declined"
    """The user doesn't want to be told this way."""
    NOT_CONFIGURED = "not_configured"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a notification on one channel."""

    channel: Channel
    status: DeliveryStatus
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a user is to be told, once for its key."""

    user: User
    title: str = field(repr=False)
    body: str = field(repr=False)
    kind: Kind
    key: str
    is_ai: bool = False
    """Whether the assistant wrote the body."""

    @classmethod
    def of(
        cls, user: User, title: str, body: str, *, kind: Kind, key: str, is_ai: bool = False
    ) -> "News":
        """The same without control characters, and no longer than any channel takes."""
        title, body = headline(title, kind), body_text(body)
        return cls(user=user, title=title, body=body, kind=kind, key=key, is_ai=is_ai)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail that is written down, and has to be sent under its key."""

    user_id: int
    subject: str
    body: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is to go to a user by SMS, to Slack or to a webhook, once for its key."""

    channel: Channel
    user_id: int
    content: str = field(repr=False)
    """The text; for a webhook the JSON."""
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told in a transaction, and what is left to do once it is committed."""

    delivered: tuple[Delivered, ...]
    letter: Letter | None = None
    parcels: tuple[Parcel, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether anything of it was not told before under its key."""
        return bool(self.letter or self.parcels or TOLD_NOW in [e.detail for e in self.delivered])

    @property
    def is_told(self) -> bool:
        """Whether it reached its user now or before, or is on its way."""
        ways = {each.status for each in self.delivered}
        return not ways.isdisjoint({DeliveryStatus.DELIVERED, DeliveryStatus.QUEUED})

    @property
    def counts(self) -> Counter[str]:
        """What became of it on each channel, as `sms queued`."""
        return Counter(f"{each.channel} {each.status}" for each in self.delivered)
