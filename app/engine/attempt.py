"""One try of one run, as the job sees it."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Which try of which run this is, and how long it may take."""

    run_id: str
    job: str
    queue: str
    number: int
    """1 for the first try."""
    attempts: int
    """How many tries the job's policy allows."""
    enqueued_at: datetime
    scheduled_for: datetime
    """When it was due: the tick of its schedule, the end of its delay, or when it was enqueued."""
    deadline: datetime
    """When this try will be cancelled."""
    worker: str
    parent: str | None = None
    """The run that enqueued this one, or that this one replays."""
    owner: str | None = None
    trace: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether a failure of this try ends the run."""
        return self.number >= self.attempts


current_attempt: ContextVar[Attempt | None] = ContextVar("current_attempt", default=None)
"""The attempt whose code is running; what it enqueues names its run as parent."""
