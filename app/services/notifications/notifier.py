"""Tells a user something, on every channel chosen for it, and says what became of each.

In the application a notice is one row. Mail goes through the outbox, if the user wants mail. An
SMS, Slack and a webhook go to the address that this user has there, and to no other. A channel that
fails does not keep the others from working; telling the same thing again, under the same key,
reaches only those that failed.

    send     at once: each channel by itself, and all of it is sent before it returns
    tell     in a transaction: all of it is written or nothing; the mail is a `Letter`, the rest are
             `Parcel`s, and the caller has somebody send them once the transaction is committed
    deliver  send one parcel
"""

import logging

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.mail.errors import MailError
from app.services.mail.message import Message
from app.services.mail.outbox import Outbox
from app.services.notifications.delivered import Delivered, DeliveryStatus, Letter, Parcel, Told
from app.services.notifications.parcels import Parcels
from app.services.notifications.texts import Kind, body_text, headline
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.notifications import Notices
from app.storage.outgoing_mail import MailStatus
from app.storage.users import User
from app.storage.ways import Channel, Way, Ways

logger = logging.getLogger(__name__)

_STANDING = {
    MailStatus.PENDING: DeliveryStatus.QUEUED,
    MailStatus.SENT: DeliveryStatus.DELIVERED,
    MailStatus.REFUSED: DeliveryStatus.FAILED,
}


class Notifications:
    """Reaches users on their channels. Without an outbox, mail is not configured."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox | None = None,
        parcels: Parcels | None = None,
        *,
        now: Now = utc_now,
    ) -> None:
        """`parcels` go by SMS, to Slack and to webhooks; without, these are not configured."""
        self._notices = Notices(database, now=now)
        self._outbox = outbox
        self._ways = Ways(database)
        self._parcels = parcels or Parcels(database, now=now)

    async def send(
        self,
        user: User,
        title: str,
        body: str,
        *,
        channels: tuple[Channel, ...],
        dedupe_key: str,
        kind: Kind = Kind.INFO,
    ) -> tuple[Delivered, ...]:
        """Tell `user` on each channel once per `dedupe_key`; safe to repeat.

        A channel that fails is a result, not an error; a failing database is an error.
        """
        title, body = headline(title, kind), body_text(body)
        ways = await self._ways.of(user.id)
        results: list[Delivered] = []
        for channel in dict.fromkeys(channels):
            if refusal := _unwanted(ways, channel):
                results.append(refusal)
            elif channel is Channel.IN_APP:
                results.append(await self._in_app(user, title, body, dedupe_key))
            elif channel is Channel.EMAIL:
                results.append(await self._by_mail(user, title, body, dedupe_key))
            else:
                parcel = self._parcels.pack(channel, user, title, body, kind, key=dedupe_key)
                results.append(await self._at_once(parcel))
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
        kind: Kind = Kind.INFO,
        is_ai: bool = False,
    ) -> Told:
        """Tell `user` on each channel once per `dedupe_key`, in the session's transaction.

        `is_ai` says that the assistant wrote the body. A letter and parcels come back the first
        time only: have them sent in the same transaction.
        """
        title, body = headline(title, kind), body_text(body)
        ways = await self._ways.read(session, user.id)
        results, letter, parcels = list[Delivered](), None, list[Parcel]()
        for channel in dict.fromkeys(channels):
            if refusal := _unwanted(ways, channel):
                results.append(refusal)
            elif channel is Channel.IN_APP:
                is_new = await self._notices.write(
                    session, user.id, title=title, body=body, dedupe_key=dedupe_key
                )
                results.append(_noticed(user, title, is_new=is_new))
            elif channel is Channel.EMAIL:
                result, letter = await self._write_mail(session, user, title, body, dedupe_key)
                results.append(result)
            else:
                parcel = self._parcels.pack(
                    channel, user, title, body, kind, key=dedupe_key, is_ai=is_ai
                )
                result, is_new = await self._parcels.write(session, parcel, ways.get(channel))
                results.append(result)
                parcels += [parcel] if is_new else []
        return Told(delivered=tuple(results), letter=letter, parcels=tuple(parcels))

    async def deliver(self, parcel: Parcel) -> Delivered:
        """Send it to its user, if they still want it, once for its key; safe to repeat.

        Raises what keeps it from being sent, for whoever tries again later.
        """
        return await self._parcels.deliver(parcel)

    async def check(self, user: User, channel: Channel) -> tuple[str, ...]:
        """Try the way to a user by SMS, Slack or webhook; sends nothing. Raises `NotReady`."""
        return await self._parcels.check(user, channel)

    async def _at_once(self, parcel: Parcel) -> Delivered:
        try:
            return await self._parcels.deliver(parcel)
        except (OSError, ValueError) as error:
            logger.warning(
                "%s to user %s failed: %s.", parcel.channel, parcel.user_id, type(error).__name__
            )
            return Delivered(parcel.channel, DeliveryStatus.FAILED, str(error))

    async def _in_app(self, user: User, title: str, body: str, key: str) -> Delivered:
        is_new = await self._notices.add(user.id, title=title, body=body, dedupe_key=key)
        return _noticed(user, title, is_new=is_new)

    async def _by_mail(self, user: User, title: str, body: str, key: str) -> Delivered:
        if self._outbox is None or not user.wants_mail:
            return self._no_mail()
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
            return self._no_mail(), None
        letter = Letter(user_id=user.id, subject=title, body=body, key=_mail_key(user, key))
        try:
            message = Message(to=(user.address,), subject=title, body=body)
        except MailError as error:
            return Delivered(Channel.EMAIL, DeliveryStatus.FAILED, str(error)), None
        mail, is_new = await self._outbox.write(session, message, user_id=user.id, key=letter.key)
        told = Delivered(Channel.EMAIL, _STANDING[mail.status], mail.detail or mail.message_id)
        return told, letter if is_new else None

    def _no_mail(self) -> Delivered:
        if self._outbox is None:
            there_is_none = "there is no way to send mail"
            return Delivered(Channel.EMAIL, DeliveryStatus.NOT_CONFIGURED, there_is_none)
        return Delivered(Channel.EMAIL, DeliveryStatus.DECLINED, "the user wants no mail")


def _unwanted(ways: dict[Channel, Way], channel: Channel) -> Delivered | None:
    way = ways.get(channel)
    if way is None or way.is_wanted:
        return None
    return Delivered(channel, DeliveryStatus.DECLINED, "the user does not want this channel")


def _noticed(user: User, title: str, *, is_new: bool) -> Delivered:
    if is_new:
        logger.info("User %s has a notification (a title of %s characters).", user.id, len(title))
    said = "told now" if is_new else "told before"
    return Delivered(Channel.IN_APP, DeliveryStatus.DELIVERED, said)


def _mail_key(user: User, key: str) -> str:
    return f"notice:{user.id}:{key}"
