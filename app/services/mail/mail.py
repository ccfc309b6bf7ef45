"""Everything the assistant can do with mail: an outbox to post to, mailboxes to read."""

from dataclasses import dataclass

from app.services.mail.mailbox import Mailbox
from app.services.mail.outbox import Outbox
from app.services.mail.sync import MailSync
from app.services.rests import Rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """The way out and the ways in; they need not be the same provider."""

    outbox: Outbox
    mailboxes: tuple[Mailbox, ...]
    """The owner's: the home's own Maildir, and their accounts."""
    sync: MailSync
    """Keeps the database in step with those."""
    rests: tuple[Rest, ...] = ()
    """Of the accounts among them."""

    async def check(self) -> tuple[str, ...]:
        """Try all of them: a line for each, or a `MailError` that names the setting to change."""
        return await self.outbox.check(), *[await each.check() for each in self.mailboxes]

    async def reach(self) -> None:
        """Try all of them, unless one is left alone: `PlainTrouble` says so, and nobody is asked.

        Raises a `MailError` for what is wrong otherwise.
        """
        for each in self.rests:
            await each.refuse_if_resting()
        await self.check()
