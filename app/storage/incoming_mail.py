"""Mail that came in and was filed: one row a mail, with the rule that chose its folder."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.users import UserRow


class IncomingMailRow(Base):
    """An incoming mail as the database keeps it."""

    __tablename__ = "incoming_mail"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"), index=True)
    message_id: Mapped[str]
    sender: Mapped[str]
    subject: Mapped[str]
    category: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str]
    filed_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIncomingMail:
    """A mail about to be filed."""

    key: str
    user_id: int
    message_id: str
    sender: str
    subject: str
    category: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMail(NewIncomingMail):
    """A mail that was filed."""

    id: int
    filed_at: datetime


class IncomingMails:
    """The filed mails in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def record(self, mail: NewIncomingMail) -> bool:
        """Keep a mail's row; False when this mail, by its key, was recorded before."""
        async with self._database.write() as session:
            known = select(IncomingMailRow.id).filter_by(key=mail.key)
            if await session.scalar(known) is not None:
                return False
            session.add(
                IncomingMailRow(
                    key=mail.key,
                    user_id=mail.user_id,
                    message_id=mail.message_id,
                    sender=mail.sender,
                    subject=mail.subject,
                    category=mail.category,
                    reason=mail.reason,
                    filed_at=self._now(),
                )
            )
        return True

    async def of(self, user_id: int, *, limit: int = 50) -> tuple[IncomingMail, ...]:
        """This user's filed mails, the newest first; nobody else's."""
        newest = select(IncomingMailRow).filter_by(user_id=user_id)
        newest = newest.order_by(IncomingMailRow.id.desc()).limit(limit)
        async with self._database.read() as session:
            return tuple(map(_mail, await session.scalars(newest)))


def _mail(row: IncomingMailRow) -> IncomingMail:
    return IncomingMail(
        id=row.id,
        key=row.key,
        user_id=row.user_id,
        message_id=row.message_id,
        sender=row.sender,
        subject=row.subject,
        category=row.category,
        reason=row.reason,
        filed_at=row.filed_at,
    )
