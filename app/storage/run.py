"""A run of the history, as its readers see it."""

from dataclasses import dataclass
from datetime import datetime

from app.engine import Ending

OVER = (Ending.SUCCEEDED, Ending.CANCELLED, Ending.DEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, as far as its attempts have come; a text is empty where there is nothing to say."""

    id: str
    job: str
    queue: str
    status: Ending
    attempts: int
    enqueued_at: datetime
    started_at: datetime
    """When its first attempt began."""
    ended_at: datetime
    """When its latest attempt ended."""
    worker: str
    owner: str
    parent: str
    error_kind: str
    error_message: str

    @property
    def is_over(self) -> bool:
        """Whether no attempt will follow."""
        return self.status in OVER
