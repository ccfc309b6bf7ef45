"""What Steward told a user inside the application: one row a notice, each told once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.users import UserRow

LONGEST_TITLE = 255
_LONGEST_KEY = 200


class NoticeRow(Base):
    """A notice as the database keeps it."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("user_id", "dedupe_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"))
    dedupe_key: Mapped[str] = mapped_column(String(_LONGEST_KEY))
    title: Mapped[str] = mapped_column(String(LONGEST_TITLE))
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a user was told."""

    id: int
    user_id: int
    title: str
    body: str
    created_at: datetime


class UnknownNotice(LookupError):
    """No notice has this number."""


class Notices:
    """The notices in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def add(self, user_id: int, *, title: str, body: str, dedupe_key: str) -> bool:
        """Tell a user something; False when they were told before under this key."""
        async with self._database.write() as session:
            return await self.write(session, user_id, title=title, body=body, dedupe_key=dedupe_key)

    async def write(
        self, session: AsyncSession, user_id: int, *, title: str, body: str, dedupe_key: str
    ) -> bool:
        """The same within a transaction."""
        key = {"user_id": user_id, "dedupe_key": dedupe_key}
        if await session.scalar(select(NoticeRow.id).filter_by(**key)) is not None:
            return False
        session.add(NoticeRow(**key, title=title, body=body, created_at=self._now()))
        await session.flush()
        return True

    async def count(
        self, session: AsyncSession, user_id: int, *, keys: str, since: datetime
    ) -> int:
        """How many this user was told since then, of those whose key begins so."""
        row = NoticeRow
        wanted = select(func.count()).where(row.user_id == user_id, row.created_at >= since)
        return (await session.scalars(wanted.where(row.dedupe_key.startswith(keys)))).one()

    async def of(self, user_id: int, *, limit: int = 50) -> tuple[Notice, ...]:
        """What this user was told, the newest first; nobody else's."""
        return await self.latest(user_id=user_id, limit=limit)

    async def latest(self, *, user_id: int | None, limit: int) -> tuple[Notice, ...]:
        """What somebody was told, the newest first; of everybody, if no user is named."""
        newest = select(NoticeRow).order_by(NoticeRow.id.desc()).limit(limit)
        if user_id is not None:
            newest = newest.filter_by(user_id=user_id)
        async with self._database.read() as session:
            return tuple(map(_notice, await session.scalars(newest)))

    async def get(self, notice_id: int) -> Notice:
        """One notice, whosever it is; raises `UnknownNotice`."""
        async with self._database.read() as session:
            row = await session.get(NoticeRow, notice_id)
        if row is None:
            raise UnknownNotice(f"no notice has the number {notice_id}")
        return _notice(row)


def _notice(row: NoticeRow) -> Notice:
    return Notice(
        id=row.id,
        user_id=row.user_id,
        title=row.title,
        body=row.body,
        created_at=row.created_at,
    )
