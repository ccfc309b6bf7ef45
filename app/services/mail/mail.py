"""Everything the assistant can do with mail: an outbox to post to, a mailbox to read."""

from dataclasses import dataclass

from app.services.mail.mailbox import Mailbox
from app.services.mail.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """The way out and the way in; they need not be the same provider."""

    outbox: Outbox
    mailbox: Mailbox

    async def check(self) -> tuple[str, ...]:
        """Try both: a line for each, or a `MailError` that names the setting to change."""
        return await self.outbox.check(), await self.mailbox.check()
