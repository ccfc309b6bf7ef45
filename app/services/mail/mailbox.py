"""Mail that came in, whatever it lies in: a Maildir, an IMAP account, a test's memory."""

from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from app.services.mail.errors import BadLetter
from app.services.mail.letter import Letter
from app.services.mail.refused import Refused
from app.services.mail.rules import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """What is known of a mail without reading it."""

    name: str
    """What it is called now."""
    place: str
    """What it stays called while it lies there, in this epoch of the mailbox."""
    number: int = 0
    """Its place in the order of arrival, where the mailbox counts."""
    size: int
    flags: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How a mail begins."""

    key: str
    """Tells this very mail from every other, also in another epoch."""
    content: bytes

    def letter(self) -> Letter:
        """What it says in its header; raises `BadLetter`."""
        return Letter.parse(self.content, key=self.key)


class OpenMailbox(Protocol):
    """A mailbox while somebody works with it."""

    @property
    def epoch(self) -> str:
        """In another epoch, a place may hold another mail."""
        ...

    @property
    def token(self) -> str:
        """The same as last time when nothing has changed; empty when nobody can tell."""
        ...

    async def slips(self) -> Sequence[Slip]:
        """All that lies in it, in order of arrival."""
        ...

    async def heads(self, names: Sequence[str]) -> Mapping[str, Head | BadLetter]:
        """How these begin. Those that are gone are missing; raises `MailTrouble`."""
        ...

    async def waiting(self, *, limit: int, but: Set[str] = frozenset()) -> tuple[str, ...]:
        """The names of at most `limit` mails that are not filed yet, and not among those."""
        ...

    async def read(self, name: str) -> Letter:
        """What one says in its header; raises `BadLetter` or `LetterGone`."""
        ...

    async def file(self, name: str, category: Category) -> None:
        """Move it to the folder of that name; one that is gone is no error.

        Raises `FolderRefused` when only that folder is the trouble.
        """
        ...

    async def set_aside(self, name: str) -> None:
        """Move what can't be read out of the way; nothing is deleted."""
        ...


class Mailbox(Protocol):
    """Holds mail that came in."""

    @property
    def name(self) -> str:
        """What it is called in the database and in results."""
        ...

    @property
    def is_sorted(self) -> bool:
        """Whether what lies in it is to be filed into folders."""
        ...

    @property
    def refused(self) -> Refused:
        """The mails that their folders did not take."""
        ...

    @property
    def plan(self) -> str:
        """What opening it will do, in a few words, without a secret."""
        ...

    def open(self, *, writes: bool) -> AbstractAsyncContextManager[OpenMailbox]:
        """Work with it, until the end of the block; raises a `MailError` naming the setting."""
        ...

    async def check(self) -> str:
        """Try it: one line on what works, or a `MailError` naming the setting."""
        ...
