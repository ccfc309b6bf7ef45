"""Tells a mailbox's owner of mail that should not wait: what is important, and invitations.

Each mail is told once, by whoever meets it first: the sorter or the sync. A mail that Steward wrote
itself is never told of, or a notice by mail would bring the next one.
"""

from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.mail.rules import Category, Priority
from app.services.notifications import Herald, Told, Topic
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.outgoing_mail import OutgoingMails
from app.storage.users import User

_LONGEST = 300  # characters of a subject or sender
_WHAT = {Category.INVITATIONS: "Invitation"}


class Arrived(Protocol):
    """A mail that came in, as it is stored."""

    @property
    def key(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def category(self) -> str: ...


class MailHerald:
    """Tells of mail."""

    def __init__(self, database: Database, herald: Herald, *, now: Now = utc_now) -> None:
        self._ours = OutgoingMails(database, now=now)
        self._herald = herald

    async def tell(self, session: AsyncSession, owner: User, mail: Arrived) -> Told | None:
        """Tell of it in the session's transaction, once; None for what may wait."""
        if not mail.category or Category(mail.category).priority is not Priority.HIGH:
            return None
        if await self._ours.wrote(session, mail.message_id):
            return None
        what = _WHAT.get(Category(mail.category), "Important mail")
        return await self._herald.write(
            session,
            owner,
            f"{what} from {mail.sender[:_LONGEST]}",
            mail.subject[:_LONGEST],
            key=mail.key,
            topic=Topic.MAIL,
        )
