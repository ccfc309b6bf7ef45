"""Sends to Slack and to webhooks once for each key, however often it is asked to.

The row is written before and settled after the answer, with the network between. What a crash in
the middle means is the channel's: Slack can't tell a second post from the first, so a person is
asked; a webhook is told again under the same id, by which its receiver knows it.
"""

from collections.abc import Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.notifications.hooks import Carrier, HookRefused
from app.services.notifications.signature import InvalidSecret
from app.services.once import Doubtful, Once, simply
from app.services.web_guard import AddressRefused
from app.services.web_post import PostUnanswered
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.outgoing_posts import NewPost, OutgoingPost, OutgoingPosts, PostStatus
from app.storage.ways import Channel, Way

REFUSALS = (HookRefused, AddressRefused, InvalidSecret)
_SETTLED = "sent, says whoever looked"


class PostOutbox:
    """Posts to users, each sent once for its key."""

    def __init__(
        self,
        database: Database,
        carrier: Carrier,
        *,
        once: Mapping[Channel, Once] | None = None,
        now: Now = utc_now,
    ) -> None:
        """`once` says for each channel what a crash in the middle means."""
        self._posts = OutgoingPosts(database, now=now)
        self._carrier = carrier
        self._once = once or {}

    async def write(self, session: AsyncSession, post: NewPost) -> tuple[OutgoingPost, bool]:
        """Write it down within a transaction, for a later `post` to send; and whether it is new."""
        return await self._posts.write(session, post)

    async def check(self, way: Way) -> str:
        """Look whether it can be reached, without sending: one line on what works."""
        return await self._carrier.check(way)

    async def post(self, new: NewPost, way: Way, content: str) -> OutgoingPost:
        """Send it unless this key's was sent before; the post as it is recorded.

        Raises what keeps it from being sent; what was refused for good is recorded as that.
        """
        post = await self._posts.ensure(new)
        if post.status is PostStatus.SENT:
            return post
        once = self._once.get(new.channel, simply)
        send = partial(self._carrier.send, way, content, key=post.key)
        try:
            taken = await once(post.key, send)
        except REFUSALS as error:
            await self._posts.settle(post.id, PostStatus.FAILED, detail=str(error))
            raise
        except (Doubtful, PostUnanswered) as error:
            await self._posts.settle(post.id, PostStatus.UNKNOWN, detail=str(error))
            raise
        detail = taken.detail if taken else _SETTLED
        return await self._posts.settle(post.id, PostStatus.SENT, detail=detail)
