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
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.mail.errors import MailError
from app.services.mail.message import Message
from app.services.mail.outbox import Outbox
from app.services.notifications.delivered import (
    TOLD_NOW,
    Delivered,
    DeliveryStatus,
    Letter,
    News,
    Parcel,
    Told,
)
from app.services.notifications.parcels import Parcels
from app.services.notifications.texts import Kind
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


class Notifier:
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
        news = News.of(user, title, body, kind=kind, key=dedupe_key)
        ways = await self._ways.of(user.id)
        return tuple([await self._send(each, news, ways) for each in dict.fromkeys(channels)])

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
        news = News.of(user, title, body, kind=kind, key=dedupe_key, is_ai=is_ai)
        ways = await self._ways.read(session, user.id)
        told = [await self._tell(session, each, news, ways) for each in dict.fromkeys(channels)]
        rest = [each for _, each in told if each is not None]
        return Told(
            delivered=tuple(delivered for delivered, _ in told),
            letter=next((each for each in rest if isinstance(each, Letter)), None),
            parcels=tuple(each for each in rest if isinstance(each, Parcel)),
        )

    async def deliver(self, parcel: Parcel) -> Delivered:
        """Send it to its user, if they still want it, once for its key; safe to repeat.

        Raises what keeps it from being sent, for whoever tries again later.
        """
        return await self._parcels.deliver(parcel)

    async def check(self, user: User, channel: Channel) -> tuple[str, ...]:
        """Try the way to a user by SMS, Slack or webhook; sends nothing. Raises `NotReady`."""
        return await self._parcels.check(user, channel)

    async def _send(self, channel: Channel, news: News, ways: Mapping[Channel, Way]) -> Delivered:
        if refusal := _unwanted(ways, channel):
            return refusal
        match channel:
            case Channel.IN_APP:
                return await self._in_app(news)
            case Channel.EMAIL:
                return await self._by_mail(news)
            case _:
                return await self._at_once(self._parcels.pack(channel, news))

    async def _tell(
        self, session: AsyncSession, channel: Channel, news: News, ways: Mapping[Channel, Way]
    ) -> tuple[Delivered, Letter | Parcel | None]:
        """What became of it, and what has to be brought."""
        if refusal := _unwanted(ways, channel):
            return refusal, None
        match channel:
            case Channel.IN_APP:
                return await self._write_notice(session, news), None
            case Channel.EMAIL:
                return await self._write_mail(session, news)
            case _:
                parcel = self._parcels.pack(channel, news)
                told, is_new = await self._parcels.write(session, parcel, ways.get(channel))
                return told, parcel if is_new else None

    async def _at_once(self, parcel: Parcel) -> Delivered:
        try:
            return await self._parcels.deliver(parcel)
        except (OSError, ValueError) as error:
            said = type(error).__name__
            logger.warning("%s to user %s failed: %s.", parcel.channel, parcel.user_id, said)
            return Delivered(parcel.channel, DeliveryStatus.FAILED, str(error))

    async def _in_app(self, news: News) -> Delivered:
        is_new = await self._notices.add(
            news.user.id, title=news.title, body=news.body, dedupe_key=news.key
        )
        return _noticed(news, is_new=is_new)

    async def _write_notice(self, session: AsyncSession, news: News) -> Delivered:
        is_new = await self._notices.write(
            session, news.user.id, title=news.title, body=news.body, dedupe_key=news.key
        )
        return _noticed(news, is_new=is_new)

    async def _by_mail(self, news: News) -> Delivered:
        user = news.user
        if self._outbox is None or not user.wants_mail:
            return self._no_mail()
        try:
            message = Message(to=(user.address,), subject=news.title, body=news.body)
            mail = await self._outbox.post(message, user_id=user.id, key=_mail_key(news))
        except (MailError, OSError) as error:
            logger.warning("Mail to user %s failed: %s.", user.id, type(error).__name__)
            return Delivered(Channel.EMAIL, DeliveryStatus.FAILED, str(error))
        return Delivered(Channel.EMAIL, DeliveryStatus.DELIVERED, mail.message_id)

    async def _write_mail(
        self, session: AsyncSession, news: News
    ) -> tuple[Delivered, Letter | None]:
        user = news.user
        if self._outbox is None or not user.wants_mail:
            return self._no_mail(), None
        letter = Letter(user_id=user.id, subject=news.title, body=news.body, key=_mail_key(news))
        try:
            message = Message(to=(user.address,), subject=news.title, body=news.body)
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


def _unwanted(ways: Mapping[Channel, Way], channel: Channel) -> Delivered | None:
    way = ways.get(channel)
    if way is None or way.is_wanted:
        return None
    return Delivered(channel, DeliveryStatus.DECLINED, "the user does not want this channel")


def _noticed(news: News, *, is_new: bool) -> Delivered:
    if is_new:
        length = len(news.title)
        logger.info(
            "User %s has a notice of %s characters: `steward notices`.", news.user.id, length
        )
    said = TOLD_NOW if is_new else "told before"
    return Delivered(Channel.IN_APP, DeliveryStatus.DELIVERED, said)


def _mail_key(news: News) -> str:
    return f"notice:{news.user.id}:{news.key}"
