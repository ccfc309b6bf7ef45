"""One try of one run, as the job sees it."""

from contextvars import ContextVar
from datetime import datetime

import msgspec

from app.engine.clock import from_ms


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which try of which run this is, and how long it may take."""

    run_id: str
    job: str
    queue: str
    number: int
    """1 for the first try."""
    attempts: int
    """How many tries the job's policy allows."""
    enqueued_ms: float
    due_ms: float
    deadline_ms: float
    worker: str
    parent: str | None = None
    """The run that enqueued this one, or that this one replays."""
    owner: str | None = None
    trace: str | None = None

    @property
    def enqueued_at(self) -> datetime:
        """When somebody asked for the run."""
        return from_ms(self.enqueued_ms)

    @property
    def scheduled_for(self) -> datetime:
        """When it was due: its schedule's tick, the end of its delay, or when it was enqueued."""
        return from_ms(self.due_ms)

    @property
    def deadline(self) -> datetime:
        """When this try will be cancelled."""
        return from_ms(self.deadline_ms)

    @property
    def is_last(self) -> bool:
        """Whether a failure of this try ends the run."""
        return self.number >= self.attempts


current_attempt: ContextVar[Attempt | None] = ContextVar("current_attempt", default=None)
"""The attempt whose code is running; what it enqueues names its run as parent."""
