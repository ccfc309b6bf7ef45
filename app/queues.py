"""The queues, in order of urgency: a worker with a free slot asks the first one first."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Queue:
    """Where the runs of a domain wait."""

    name: str
    urgency: int


AI: Final = "ai"
SMS: Final = "sms"
SYNC: Final = "sync"
EMAIL: Final = "email"
FILES: Final = "files"
MAINTENANCE: Final = "maintenance"

QUEUES: Final = (
    Queue(AI, 10),
    Queue(SMS, 8),
    Queue(SYNC, 7),
    Queue(EMAIL, 5),
    Queue(FILES, 3),
    Queue(MAINTENANCE, 1),
)
NAMES: Final = tuple(each.name for each in QUEUES)
