"""What is stored of a mailbox, as values: where the sync has got to, and what lies there."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxState:
    """How far a mailbox has been read."""

    epoch: str = ""
    """In which its places had their present meaning; empty before the first time."""
    last: int = 0
    """The highest number of a mail that was taken up."""
    token: str = ""
    """What the mailbox said of itself when all of it was known; empty when that is not so."""
    is_whole: bool = False
    """Whether all of it was ever read: what is new since then has just come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxEntry:
    """A mail that lies in a mailbox."""

    place: str
    number: int
    key: str
    """Tells this very mail from every other, also in another epoch."""
    size: int
    flags: str
    message_id: str = ""
    sender: str = ""
    subject: str = ""
    category: str = ""
    reason: str = ""
    problem: str = ""
    """Why it can't be read; empty when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of some entries that were to be stored."""

    new: int = 0
    found_again: int = 0
    """Known from before the epoch changed."""
    updated: int = 0
    """Of those, the ones whose flags are others."""
