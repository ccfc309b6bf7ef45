"""What can be wrong among the engine's keys: no step leaves it, a hand or a lost write does."""

from dataclasses import dataclass
from enum import StrEnum


class Trouble(StrEnum):
    """A kind of inconsistency."""

    LEASE = "orphaned lease"
    LEAVINGS = "leavings of a run that is gone"
    UNQUEUED = "payload without queue entry"
    PAYLOAD_LOST = "queue entry without payload"
    STRANDED = "parked without a note of it"
    PARKED_LOST = "note of a parked run that is gone"
    KEY = "unique key without holder"
    LETTER_LOST = "dead letter that is gone"
    LETTER_UNLISTED = "dead letter that is not listed"
    QUEUE = "queue without consumer"
    PARKED = "parked run that nobody here can run"
    SCHEDULE = "schedule without job"
    OUTBOX = "run that can't leave the outbox"
    DOUBT = "effect in doubt"


MENDING = {
    Trouble.LEASE: "the lease is removed",
    Trouble.LEAVINGS: "they are removed",
    Trouble.UNQUEUED: "the run is put back on its queue",
    Trouble.PAYLOAD_LOST: "a worker makes a dead letter of it, now",
    Trouble.STRANDED: "the run is due now",
    Trouble.PARKED_LOST: "the note is removed",
    Trouble.KEY: "the key is free",
    Trouble.LETTER_LOST: "its entry is removed",
    Trouble.LETTER_UNLISTED: "it is listed again",
}
"""What is safe to do about it; of the rest somebody has to think."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One inconsistency: of what kind, in what (a run's id, a key, a queue), and more about it."""

    trouble: Trouble
    subject: str
    about: str = ""
    is_mended: bool = False

    @property
    def can_be_mended(self) -> bool:
        """Whether the doctor dares to."""
        return self.trouble in MENDING
