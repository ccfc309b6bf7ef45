"""Sessions: who is logged in. The token is the user's; the database knows only its hash.

A session ends by itself at `expires_at`, and before that when it has not been used for long. Both
are looked at when a token is shown, to the second; the daily clean-up only removes the rows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from sqlalchemy import ColumnElement, ForeignKey, String, and_, delete, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.swept import SessionsCleaned, SessionsStatus
from app.storage.users import UserRow

_TOKEN = 32  # random bytes: nobody guesses one
_TOUCH = timedelta(minutes=1)  # a page that asks ten times a second writes once a minute
_LONGEST_ABOUT = 200


class SessionRow(Base):
    """A session as the database keeps it."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The SHA-256 of the token: who reads the database can't log in with it."""
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"), index=True)
    about: Mapped[str] = mapped_column(String(_LONGEST_ABOUT))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who is logged in."""

    user_id: int
    about: str
    """The device, as it calls itself."""
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class Sessions:
    """The sessions in the database."""

    def __init__(
        self,
        database: Database,
        *,
        lifetime: timedelta = timedelta(days=30),
        idle: timedelta = timedelta(days=7),
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._lifetime = lifetime
        self._idle = idle
        self._now = now

    async def begin(self, user_id: int, *, about: str = "") -> str:
        """Log somebody in; returns the token, which nobody can be told a second time."""
        token, now = token_urlsafe(_TOKEN), self._now()
        row = SessionRow(
            id=_id(token),
            user_id=user_id,
            about=about[:_LONGEST_ABOUT],
            created_at=now,
            used_at=now,
            expires_at=now + self._lifetime,
        )
        async with self._database.write() as session:
            session.add(row)
        return token

    async def find(self, token: str) -> Session | None:
        """Whose token this is, noting that it was used; None when it is nobody's any more."""
        now = self._now()
        async with self._database.read() as session:
            row = await session.get(SessionRow, _id(token))
        if row is None or row.expires_at <= now or row.used_at + self._idle <= now:
            return None
        if now - row.used_at >= _TOUCH:
            row.used_at = now
            used = update(SessionRow).where(SessionRow.id == row.id).values(used_at=now)
            async with self._database.write() as session:
                await session.execute(used)
        return _session(row)

    async def end(self, token: str) -> bool:
        """Log out; False when that session was over already."""
        gone = delete(SessionRow).where(SessionRow.id == _id(token)).returning(SessionRow.id)
        async with self._database.write() as session:
            return await session.scalar(gone) is not None

    async def of(self, user_id: int) -> tuple[Session, ...]:
        """Where this user is logged in, the last used first; nobody else's."""
        wanted = select(SessionRow).where(SessionRow.user_id == user_id, ~self._is_over())
        async with self._database.read() as session:
            rows = await session.scalars(wanted.order_by(SessionRow.used_at.desc()))
            return tuple(map(_session, rows))

    async def clean(self, *, dry_run: bool = False) -> SessionsCleaned:
        """Remove the sessions that are over, or only say how many. Safe to repeat."""
        expired = SessionRow.expires_at <= self._now()
        over = self._is_over()
        begin = self._database.read if dry_run else self._database.write
        async with begin() as session:
            total = await session.scalar(select(func.count()).select_from(SessionRow)) or 0
            counted = select(func.count(), func.coalesce(func.sum(_size()), 0))
            gone, size = (await session.execute(counted.where(over))).one()
            old = await session.scalar(select(func.count()).select_from(SessionRow).where(expired))
            if not dry_run:
                await session.execute(delete(SessionRow).where(over))
        return SessionsCleaned(
            status=SessionsStatus.SUCCESS if total else SessionsStatus.NO_SESSIONS,
            dry_run=dry_run,
            looked_at=total,
            expired=old or 0,
            inactive=gone - (old or 0),
            kept=total - gone,
            freed_bytes=size,
        )

    def _is_over(self) -> ColumnElement[bool]:
        now = self._now()
        is_alive = and_(SessionRow.expires_at > now, SessionRow.used_at > now - self._idle)
        return ~is_alive


def _id(token: str) -> str:
    return sha256(token.encode(errors="surrogatepass")).hexdigest()


def _size() -> ColumnElement[int]:
    return func.length(SessionRow.id) + func.length(SessionRow.about)


def _session(row: SessionRow) -> Session:
    return Session(
        user_id=row.user_id,
        about=row.about,
        created_at=row.created_at,
        used_at=row.used_at,
        expires_at=row.expires_at,
    )
