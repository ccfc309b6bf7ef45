"""Tells users what Steward noticed, and nobody asked for at that time: on the channels they chose.

In the application always; elsewhere where a user's ways say so. What leaves is written down with
the notice, in one transaction, and brought by runs of its own, after the user's quiet hours. Told
again under its key, a notice goes only where it is still missing.

Who sends the mail decides whether it is important, so of mail no more than a few notices an hour
leave: a stranger, or the first look at an old mailbox, is not to ring a phone all day.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.notifications.delivered import Told
from app.services.notifications.notifier import Notifier
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.notifications import Notices
from app.storage.users import User
from app.storage.ways import Channel, Ways

MOST_OF_MAIL: Final = 5
"""Notices of mail an hour that leave; the others are in the application alone."""
_HOUR: Final = timedelta(hours=1)


class Topic(StrEnum):
    """What a notice is about."""

    MAIL = "mail"
    """Mail that came in. Telling of it by mail would say it twice in one mailbox."""
    OTHER = "other"


class Bring(Protocol):
    """Has what leaves brought, once the session's transaction is committed."""

    async def __call__(self, session: AsyncSession, told: Told, /) -> None:
        """Enqueue the runs that bring it, within the transaction."""
        ...


class Herald:
    """Tells notices."""

    def __init__(
        self, database: Database, notifier: Notifier, bring: Bring, *, now: Now = utc_now
    ) -> None:
        self._database = database
        self._notices = Notices(database, now=now)
        self._now = now
        self._notifier = notifier
        self._ways = Ways(database)
        self._bring = bring

    async def tell(
        self,
        user: User,
        title: str,
        body: str,
        *,
        key: str,
        topic: Topic = Topic.OTHER,
        only: frozenset[Channel] = frozenset(Channel),
    ) -> Told:
        """Tell `user` on each of their channels, of `only` these, once for the key."""
        async with self._database.write() as session:
            return await self.write(session, user, title, body, key=key, topic=topic, only=only)

    async def write(
        self,
        session: AsyncSession,
        user: User,
        title: str,
        body: str,
        *,
        key: str,
        topic: Topic = Topic.OTHER,
        only: frozenset[Channel] = frozenset(Channel),
        also: frozenset[Channel] = frozenset(),
    ) -> Told:
        """The same in the session's transaction; and on those that something else names, `also`."""
        chosen = await self._chosen(session, user.id, topic) & only
        if topic is Topic.MAIL and await self._is_enough(session, user.id):
            chosen &= {Channel.IN_APP}
        channels = chosen | also
        told = await self._notifier.tell(
            session,
            user,
            title,
            body,
            channels=tuple(each for each in Channel if each in channels),
            dedupe_key=key if topic is Topic.OTHER else f"{topic}:{key}",
        )
        await self._bring(session, told)
        return told

    async def _chosen(
        self, session: AsyncSession, user_id: int, topic: Topic
    ) -> frozenset[Channel]:
        ways = (await self._ways.read(session, user_id)).values()
        told = {
            way.channel
            for way in ways
            if (way.tells_of_mail if topic is Topic.MAIL else way.notices)
        }
        return frozenset({Channel.IN_APP, *told})

    async def _is_enough(self, session: AsyncSession, user_id: int) -> bool:
        since = self._now() - _HOUR
        told = await self._notices.count(session, user_id, keys=f"{Topic.MAIL}:", since=since)
        return told >= MOST_OF_MAIL
