"""What leaves by SMS, to Slack and to webhooks: packed, written down, and brought to its user.

A parcel is for one user, and goes to the address that they have on its channel when it is sent. It
is brought once for its key; the run that brings it may be killed and tried again.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.notifications.delivered import Delivered, DeliveryStatus, News, Parcel
from app.services.notifications.first_steps import check_channel
from app.services.notifications.posts import PostOutbox
from app.services.notifications.texts import slack_text, sms_text, webhook_json
from app.services.sms.errors import SmsRejected
from app.services.sms.outbox import SmsOutbox
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.outgoing_posts import NewPost, PostStatus
from app.storage.outgoing_sms import NewSms, OutgoingSms, SmsStatus
from app.storage.users import User, Users
from app.storage.ways import Channel, Way, Ways

_MISSING = {
    Channel.SMS: "no phone number of the user is known",
    Channel.SLACK: "no Slack address of the user is known",
    Channel.WEBHOOK: "no webhook of the user is known",
}
_SMS = {
    SmsStatus.PENDING: DeliveryStatus.QUEUED,
    SmsStatus.RETRYING: DeliveryStatus.QUEUED,
    SmsStatus.ACCEPTED: DeliveryStatus.DELIVERED,
    SmsStatus.DELIVERED: DeliveryStatus.DELIVERED,
    SmsStatus.DROPPED: DeliveryStatus.DECLINED,
}
_POST = {PostStatus.PENDING: DeliveryStatus.QUEUED, PostStatus.SENT: DeliveryStatus.DELIVERED}
_UNWANTED = "the user does not want this channel"


class Parcels:
    """Brings parcels; without an outbox for its channel, that is not configured."""

    def __init__(
        self,
        database: Database,
        *,
        sms: SmsOutbox | None = None,
        posts: PostOutbox | None = None,
        now: Now = utc_now,
    ) -> None:
        self._users = Users(database, now=now)
        self._ways = Ways(database)
        self.sms = sms
        self._posts = posts
        self._now = now

    def pack(self, channel: Channel, news: News) -> Parcel:
        """Put it into the channel's words."""
        title, body, user_id = news.title, news.body, news.user.id
        match channel:
            case Channel.SMS:
                content = sms_text(title, body, is_ai=news.is_ai)
            case Channel.SLACK:
                content = slack_text(title, body, news.kind)
            case _:
                content = webhook_json(title, body, news.kind, at=self._now(), user_id=user_id)
        key = f"notice:{user_id}:{news.key}"
        return Parcel(channel=channel, user_id=user_id, content=content, key=key)

    async def write(
        self, session: AsyncSession, parcel: Parcel, way: Way | None
    ) -> tuple[Delivered, bool]:
        """Write it down within a transaction; and whether somebody has to bring it."""
        if refusal := self._no_way(parcel.channel, way):
            return refusal, False
        if parcel.channel is Channel.SMS and self.sms and way:
            sms, is_new = await self.sms.write(session, _new_sms(parcel, way))
            return _sms_standing(sms), is_new
        assert self._posts
        post, is_new = await self._posts.write(session, _new_post(parcel))
        status = _POST.get(post.status, DeliveryStatus.FAILED)
        return Delivered(parcel.channel, status, post.detail or "a run brings it"), is_new

    async def deliver(self, parcel: Parcel) -> Delivered:
        """Bring it, if its user still wants it. Raises what keeps it from being brought."""
        user = await self._users.get(parcel.user_id)
        way = (await self._ways.of(user.id)).get(parcel.channel)
        refusal = self._no_way(parcel.channel, way)
        if not user.active:
            refusal = Delivered(parcel.channel, DeliveryStatus.DECLINED, "the user is not active")
        if refusal:
            return await self._let_be(parcel, refusal)
        assert way
        if parcel.channel is Channel.SMS and self.sms:
            return _settled(await self.sms.post(_new_sms(parcel, way)))
        assert self._posts
        post = await self._posts.post(_new_post(parcel), way, parcel.content)
        return Delivered(parcel.channel, DeliveryStatus.DELIVERED, post.detail)

    async def check(self, user: User, channel: Channel) -> tuple[str, ...]:
        """Say what works for a user without sending; raises `NotReady` for what is missing."""
        way = (await self._ways.of(user.id)).get(channel)
        return await check_channel(channel, way, sms=self.sms, posts=self._posts)

    async def why_not(self, user_id: int) -> str:
        """Why a user can't be reached by SMS any more; empty when they can."""
        if not (await self._users.get(user_id)).active:
            return "the user is not active"
        refusal = self._no_way(Channel.SMS, (await self._ways.of(user_id)).get(Channel.SMS))
        return refusal.detail if refusal else ""

    async def number(self, user_id: int) -> str:
        """Where a user's SMS go; empty when that is not known."""
        way = (await self._ways.of(user_id)).get(Channel.SMS)
        return way.address if way else ""

    async def _let_be(self, parcel: Parcel, refusal: Delivered) -> Delivered:
        if parcel.channel is Channel.SMS and self.sms:
            await self.sms.smses.drop(parcel.key, detail=refusal.detail)
        return refusal

    def _no_way(self, channel: Channel, way: Way | None) -> Delivered | None:
        outbox = self.sms if channel is Channel.SMS else self._posts
        if outbox is None:
            there_is_none = "there is no SMS provider" if channel is Channel.SMS else "no way out"
            return Delivered(channel, DeliveryStatus.NOT_CONFIGURED, there_is_none)
        if way is not None and not way.is_wanted:
            return Delivered(channel, DeliveryStatus.DECLINED, _UNWANTED)
        if way is None or not way.address:
            return Delivered(channel, DeliveryStatus.NOT_CONFIGURED, _MISSING[channel])
        return None


def _settled(sms: OutgoingSms) -> Delivered:
    """What is recorded; raises `SmsRejected` for what failed for good: no run of it succeeds."""
    if sms.status is SmsStatus.FAILED:
        raise SmsRejected(sms.code or 0)
    return _sms_standing(sms)


def _sms_standing(sms: OutgoingSms) -> Delivered:
    status = _SMS.get(sms.status, DeliveryStatus.FAILED)
    return Delivered(Channel.SMS, status, sms.detail or "a run sends it")


def _new_sms(parcel: Parcel, way: Way) -> NewSms:
    return NewSms(
        key=parcel.key, user_id=parcel.user_id, recipient=way.address, text=parcel.content
    )


def _new_post(parcel: Parcel) -> NewPost:
    """One user's key may be used on two channels."""
    return NewPost(
        key=f"{parcel.channel}:{parcel.key}", user_id=parcel.user_id, channel=parcel.channel
    )
