"""What goes out to Slack and to webhooks: one row each, written before it is sent.

    pending ──taken──> sent
       ├─────refused─> failed      it said no for good
       └─────cut off─> unknown     it may have it, and must not get it twice: a person says

The text is not kept: whoever repeats the sending brings it again.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.key_taken import refuse_anothers
from app.storage.users import UserRow
from app.storage.ways import Channel


class PostStatus(StrEnum):
    """How far an outgoing post has come."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class OutgoingPostRow(Base):
    """An outgoing post as the database keeps it."""

    __tablename__ = "outgoing_posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(400), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"), index=True)
    channel: Mapped[Channel]
    status: Mapped[PostStatus]
    detail: Mapped[str]
    """What was answered, or what went wrong; empty while pending."""
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """A post that nobody has written down."""

    key: str
    user_id: int
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingPost(NewPost):
    """A post to a user, sent or still to be sent."""

    id: int
    status: PostStatus
    detail: str
    created_at: datetime
    settled_at: datetime | None


class OutgoingPosts:
    """The outgoing posts in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def ensure(self, post: NewPost) -> OutgoingPost:
        """The post with this key: as it was written the first time, or written now as pending."""
        async with self._database.write() as session:
            found, _ = await self.write(session, post)
        return found

    async def write(self, session: AsyncSession, post: NewPost) -> tuple[OutgoingPost, bool]:
        """The same within a transaction, and whether it was written now.

        Raises `KeyTaken` when the key is of something to another user.
        """
        row = await session.scalar(select(OutgoingPostRow).filter_by(key=post.key))
        if row is not None:
            refuse_anothers(post.key, whose=row.user_id, wanted_by=post.user_id)
            return _post(row), False
        row = OutgoingPostRow(
            **asdict(post), status=PostStatus.PENDING, detail="", created_at=self._now()
        )
        session.add(row)
        await session.flush()
        return _post(row), True

    async def settle(self, post_id: int, status: PostStatus, *, detail: str) -> OutgoingPost:
        """Record how it went; one that was sent stays sent."""
        async with self._database.write() as session:
            row = await session.get_one(OutgoingPostRow, post_id)
            if row.status is not PostStatus.SENT:
                row.status, row.detail, row.settled_at = status, detail, self._now()
        return _post(row)

    async def of(self, user_id: int, *, limit: int = 50) -> tuple[OutgoingPost, ...]:
        """This user's posts, the newest first; nobody else's."""
        newest = select(OutgoingPostRow).filter_by(user_id=user_id)
        newest = newest.order_by(OutgoingPostRow.id.desc()).limit(limit)
        async with self._database.read() as session:
            return tuple(map(_post, await session.scalars(newest)))


def _post(row: OutgoingPostRow) -> OutgoingPost:
    return OutgoingPost(
        id=row.id,
        key=row.key,
        user_id=row.user_id,
        channel=row.channel,
        status=row.status,
        detail=row.detail,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )
