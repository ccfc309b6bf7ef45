"""Tells a user something, on every channel chosen for it, and says what became of each.

In the application a notice is one row. By mail it goes through the outbox, if the user wants mail.
There is no SMS yet, and that is what its result says. A channel that fails does not keep the
others from working; telling the same thing again, under the same key, reaches only those that
failed.

    send   at once: each channel by itself, and the mail is sent before it returns
    tell   in a transaction: all of it is written or nothing, and the mail is a `Letter` that the
           caller has somebody send once the transaction is committed
"""

import logging
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.mail.errors import MailError
from app.services.mail.message import LONGEST_SUBJECT, Message, is_control
from app.services.mail.outbox import Outbox
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.notifications import Notices
from app.storage.outgoing_mail import MailStatus
from app.storage.users import User

logger = logging.getLogger(__name__)

_LONGEST_BODY = 10_000  # characters of a notice; whoever has more to say says where it is


class Channel(StrEnum):
    """A way to reach a user."""

    IN_APP = "in_app"
    EMAIL = "email"
    SMS = "sms"


class DeliveryStatus(StrEnum):
    """What became of a notification on one channel."""

    DELIVERED = "delivered"
    QUEUED = "queued"
    """It is written down, and the run that sends it tells what became of it."""
    DECLINED = "declined"
    """The user doesn't want to be told this way."""
    NOT_CONFIGURED = "not_configured"
    FAILED = "failed"


_STANDING = {
    MailStatus.PENDING: DeliveryStatus.QUEUED,
    MailStatus.SENT: DeliveryStatus.DELIVERED,
    MailStatus.REFUSED: DeliveryStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a notification on one channel."""

    channel: Channel
    status: DeliveryStatus
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail that is written down, and has to be sent under its key."""

    user_id: int
    subject: str
    body: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told in a transaction, and what is left to do once it is committed."""

    delivered: tuple[Delivered, ...]
    letter: Letter | None = None


class Notifications:
    """Reaches users on their channels. Without an outbox, mail is not configured."""

    def __init__(
        self, database: Database, outbox: Outbox | None = None, *, now: Now = utc_now
    ) -> None:
        self._notices = Notices(database, now=now)
        self._outbox = outbox

    async def send(
        self,
        user: User,
        title: str,
        body: str,
        *,
        channels: tuple[Channel, ...],
        dedupe_key: str,
    ) -> tuple[Delivered, ...]:
        """Tell `user` on each channel once per `dedupe_key`; safe to repeat.

        A failed mail is a result, not an error; a failing database is an error.
        """
        title, body = _one_line(title), _cut(_printable(body), _LONGEST_BODY)
        results: list[Delivered] = []
        for channel in dict.fromkeys(channels):
            match channel:
                case Channel.IN_APP:
                    results.append(await self._in_app(user, title, body, dedupe_key))
                case Channel.EMAIL:
                    results.append(await self._by_mail(user, title, body, dedupe_key))
                case Channel.SMS:
                    results.append(_not_configured(channel, "there is no SMS provider"))
        return tuple(results)

    async def tell(
        self,
        session: AsyncSession,
        user: User,
        title: str,
        body: str,
        *,
        channels: tuple[Channel, ...],
        dedupe_key: str,
    ) -> Told:
        """Tell `user` on each channel once per `dedupe_key`, in the session's transaction.

        A letter comes back the first time only: have it sent in the same transaction.
        """
        title, body = _one_line(title), _cut(_printable(body), _LONGEST_BODY)
        results, letter = list[Delivered](), None
        for channel in dict.fromkeys(channels):
            match channel:
                case Channel.IN_APP:
                    is_new = await self._notices.write(
                        session, user.id, title=title, body=body, dedupe_key=dedupe_key
                    )
                    results.append(_noticed(user, title, is_new=is_new))
                case Channel.EMAIL:
                    result, letter = await self._write_mail(session, user, title, body, dedupe_key)
                    results.append(result)
                case Channel.SMS:
                    results.append(_not_configured(channel, "there is no SMS provider"))
        return Told(delivered=tuple(results), letter=letter)

    async def _in_app(self, user: User, title: str, body: str, key: str) -> Delivered:
        is_new = await self._notices.add(user.id, title=title, body=body, dedupe_key=key)
        return _noticed(user, title, is_new=is_new)

    async def _by_mail(self, user: User, title: str, body: str, key: str) -> Delivered:
        if self._outbox is None or not user.wants_mail:
            return self._unwanted()
        try:
            message = Message(to=(user.address,), subject=title, body=body)
            mail = await self._outbox.post(message, user_id=user.id, key=_mail_key(user, key))
        except (MailError, OSError) as error:
            logger.warning("Mail to user %s failed: %s.", user.id, type(error).__name__)
            return Delivered(Channel.EMAIL, DeliveryStatus.FAILED, str(error))
        return Delivered(Channel.EMAIL, DeliveryStatus.DELIVERED, mail.message_id)

    async def _write_mail(
        self, session: AsyncSession, user: User, title: str, body: str, key: str
    ) -> tuple[Delivered, Letter | None]:
        if self._outbox is None or not user.wants_mail:
            return self._unwanted(), None
        letter = Letter(user_id=user.id, subject=title, body=body, key=_mail_key(user, key))
        try:
            message = Message(to=(user.address,), subject=title, body=body)
        except MailError as error:
            return Delivered(Channel.EMAIL, DeliveryStatus.FAILED, str(error)), None
        mail, is_new = await self._outbox.write(session, message, user_id=user.id, key=letter.key)
        told = Delivered(Channel.EMAIL, _STANDING[mail.status], mail.detail or mail.message_id)
        return told, letter if is_new else None

    def _unwanted(self) -> Delivered:
        if self._outbox is None:
            return _not_configured(Channel.EMAIL, "there is no way to send mail")
        return Delivered(Channel.EMAIL, DeliveryStatus.DECLINED, "the user wants no mail")


def _noticed(user: User, title: str, *, is_new: bool) -> Delivered:
    if is_new:
        logger.info("User %s has a notification (a title of %s characters).", user.id, len(title))
    said = "told now" if is_new else "told before"
    return Delivered(Channel.IN_APP, DeliveryStatus.DELIVERED, said)


def _mail_key(user: User, key: str) -> str:
    return f"notice:{user.id}:{key}"


def _not_configured(channel: Channel, detail: str) -> Delivered:
    return Delivered(channel, DeliveryStatus.NOT_CONFIGURED, detail)


def _one_line(title: str) -> str:
    """The title without line ends and control characters, short enough for a subject."""
    words = "".join(" " if is_control(c) else c for c in title).split()
    return _cut(" ".join(words), LONGEST_SUBJECT) or "(no title)"


def _printable(body: str) -> str:
    return "".join(c for c in body if c in "\n\t" or not is_control(c))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
