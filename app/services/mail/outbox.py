"""Sends a mail once for each key, however often it is asked to.

The row is written before the mail is sent and settled after the server's answer, in two short
transactions with the network between them. A crash after the answer and before the second one
leaves the row pending, and what then happens `once` decides: sent again, the same bytes go out
under the same Message-ID (into a Maildir that is the same file; a real server may deliver a second
copy that calls itself the same), or a person is asked.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import blake2b
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.mail.errors import MailInDoubt, MailRefused
from app.services.mail.message import Message
from app.services.mail.sender import MailSender, Receipt
from app.storage.address import Address, domain_of
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.outgoing_mail import MailStatus, NewMail, OutgoingMail, OutgoingMails

logger = logging.getLogger(__name__)

_SETTLED = "sent, says whoever looked"


class Once(Protocol):
    """Lets a sending happen once for its key, whatever becomes of the process in the middle."""

    async def __call__(self, key: str, send: Callable[[], Awaitable[Receipt]], /) -> Receipt | None:
        """What the sending returned, now or before; None when a person says that it was sent.

        Raises what the sending raises, and `MailInDoubt` when a person has to say.
        """
        ...


async def _simply(_key: str, send: Callable[[], Awaitable[Receipt]], /) -> Receipt | None:
    """Send; a crash in the middle means that it is sent again."""
    return await send()


class Outbox:
    """Mail to users, each sent once for its key."""

    def __init__(
        self, database: Database, sender: MailSender, *, now: Now = utc_now, once: Once = _simply
    ) -> None:
        self._mails = OutgoingMails(database, now=now)
        self._sender = sender
        self._once = once

    async def post(self, message: Message, *, user_id: int, key: str) -> OutgoingMail:
        """Send it unless this key's mail was accepted before; the mail as it is recorded.

        Raises what the sender raises; a mail refused for good is recorded as that.
        """
        mail = await self._mails.ensure(self._new(message, user_id, key))
        if mail.status is MailStatus.SENT:
            return mail
        return await self._send(message, mail)

    async def find(self, key: str) -> OutgoingMail | None:
        """The mail under this key as it is recorded; None when nobody has written it down."""
        return await self._mails.find(key)

    async def write(
        self, session: AsyncSession, message: Message, *, user_id: int, key: str
    ) -> tuple[OutgoingMail, bool]:
        """Write it down within a transaction, for a later `post` to send; and whether it is new.

        A mail that was written before is told as it is.
        """
        return await self._mails.write(session, self._new(message, user_id, key))

    @property
    def address(self) -> Address:
        """Whose name mail goes out under."""
        return self._sender.address

    @property
    def kept_in(self) -> str:
        """The folder that mail stays in, for want of a server; empty where it goes out."""
        return self._sender.kept_in

    @property
    def plan(self) -> str:
        """What a check will do, in a few words."""
        return self._sender.plan

    async def check(self) -> str:
        """Try the way out: one line on what works, or a `MailError` naming the setting."""
        return await self._sender.check()

    async def _send(self, message: Message, mail: OutgoingMail) -> OutgoingMail:
        send = partial(self._sender.send, message, message_id=mail.message_id, date=mail.created_at)
        try:
            receipt = await self._once(mail.key, send)
        except MailRefused as error:
            await self._mails.refused(mail.id, detail=str(error))
            raise
        except MailInDoubt as error:
            await self._mails.doubted(mail.id, detail=str(error))
            raise
        what = f"is kept in {self.kept_in}" if self.kept_in else "was accepted"
        logger.info("Mail %s to user %s %s.", mail.message_id, mail.user_id, what)
        return await self._mails.accepted(mail.id, detail=receipt.detail if receipt else _SETTLED)

    def _new(self, message: Message, user_id: int, key: str) -> NewMail:
        return NewMail(
            key=key,
            user_id=user_id,
            message_id=self._message_id(key),
            recipients=", ".join(message.to),
            subject=message.subject,
        )

    def _message_id(self, key: str) -> str:
        digest = blake2b(key.encode(), digest_size=16).hexdigest()
        return f"<{digest}@{domain_of(self._sender.address)}>"
