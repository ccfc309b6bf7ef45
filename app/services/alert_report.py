"""Where an alert is told, and what becomes of telling it."""

from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    """Where an alert is told."""

    LOG = "log"
    MAIL = "mail"
    SLACK = "slack"
    WEBHOOK = "webhook"


class TellStatus(StrEnum):
    """What became of telling an alert."""

    TOLD = "told"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of telling an alert on one channel."""

    status: TellStatus
    channel: Channel
    detail: str
