"""Mail that came in, whatever it lies in: a Maildir, an IMAP account later, a test's memory."""

from typing import Protocol

from app.services.mail.letter import Letter
from app.services.mail.rules import Category


class Mailbox(Protocol):
    """Holds mail that is waiting to be filed."""

    async def waiting(self, *, limit: int) -> tuple[str, ...]:
        """The names of at most `limit` mails that are not filed yet."""
        ...

    async def read(self, name: str) -> Letter:
        """What one says in its header; raises `BadLetter` or `LetterGone`."""
        ...

    async def file(self, name: str, category: Category) -> None:
        """Move it to the folder of that name; one that is gone is no error."""
        ...

    async def set_aside(self, name: str) -> None:
        """Move what can't be read out of the way; nothing is deleted."""
        ...

    async def check(self) -> str:
        """Try it: one line on what works, or a `MailError` naming the setting."""
        ...
