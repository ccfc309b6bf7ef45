"""Mail that leaves: one row a mail, written before it is sent and settled after.

    pending ──accepted──> sent        the server has it: never sent again
       └─────refused────> refused     it said no for good; only a person asks again

The body is not kept: whoever repeats the sending brings it again.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.key_taken import refuse_anothers
from app.storage.users import UserRow


class MailStatus(StrEnum):
    """How far an outgoing mail has come."""

    PENDING = "pending"
    SENT = "sent"
    REFUSED = "refused"


class OutgoingMailRow(Base):
    """An outgoing mail as the database keeps it."""

    __tablename__ = "outgoing_mail"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(400), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"), index=True)
    message_id: Mapped[str] = mapped_column(String(400), unique=True)
    recipients: Mapped[str]
    """Their addresses, with a comma and a space between."""
    subject: Mapped[str]
    status: Mapped[MailStatus]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    detail: Mapped[str]
    """What the server answered; of a pending mail, why nobody can tell whether it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMail:
    """A mail to a user, sent or still to be sent."""

    id: int
    key: str
    user_id: int
    message_id: str
    recipients: str
    subject: str
    status: MailStatus
    created_at: datetime
    accepted_at: datetime | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMail:
    """A mail to a user that nobody has written down."""

    key: str
    user_id: int
    message_id: str
    recipients: str
    subject: str


class OutgoingMails:
    """The outgoing mails in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def ensure(self, mail: NewMail) -> OutgoingMail:
        """The mail with this key: as it was written the first time, or written now as pending."""
        async with self._database.write() as session:
            found, _ = await self.write(session, mail)
        return found

    async def find(self, key: str) -> OutgoingMail | None:
        """The mail with this key, if it was written."""
        async with self._database.read() as session:
            row = await session.scalar(select(OutgoingMailRow).filter_by(key=key))
        return None if row is None else _mail(row)

    async def write(self, session: AsyncSession, mail: NewMail) -> tuple[OutgoingMail, bool]:
        """The same within a transaction, and whether it was written now.

        Raises `KeyTaken` when the key is of something to another user.
        """
        row = await session.scalar(select(OutgoingMailRow).filter_by(key=mail.key))
        if row is not None:
            refuse_anothers(mail.key, whose=row.user_id, wanted_by=mail.user_id)
            return _mail(row), False
        row = OutgoingMailRow(
            **asdict(mail), status=MailStatus.PENDING, created_at=self._now(), detail=""
        )
        session.add(row)
        await session.flush()
        return _mail(row), True

    async def wrote(self, session: AsyncSession, message_id: str) -> bool:
        """Whether a mail that calls itself so is one of these."""
        one = select(OutgoingMailRow.id).filter_by(message_id=message_id).limit(1)
        return await session.scalar(one) is not None

    async def accepted(self, mail_id: int, *, detail: str) -> OutgoingMail:
        """Record that the server took it; a second record changes nothing."""
        async with self._database.write() as session:
            row = await session.get_one(OutgoingMailRow, mail_id)
            if row.status is not MailStatus.SENT:
                row.status, row.accepted_at, row.detail = MailStatus.SENT, self._now(), detail
        return _mail(row)

    async def refused(self, mail_id: int, *, detail: str) -> OutgoingMail:
        """Record that it can't be sent; one that was sent stays sent."""
        async with self._database.write() as session:
            row = await session.get_one(OutgoingMailRow, mail_id)
            if row.status is not MailStatus.SENT:
                row.status, row.detail = MailStatus.REFUSED, detail
        return _mail(row)

    async def doubted(self, mail_id: int, *, detail: str) -> None:
        """Record that a person has to say whether a pending mail was sent."""
        row = OutgoingMailRow
        pending = update(row).where(row.id == mail_id, row.status == MailStatus.PENDING)
        async with self._database.write() as session:
            await session.execute(pending.values(detail=detail))

    async def of(self, user_id: int, *, limit: int = 50) -> tuple[OutgoingMail, ...]:
        """This user's mails, the newest first; nobody else's."""
        newest = select(OutgoingMailRow).filter_by(user_id=user_id)
        newest = newest.order_by(OutgoingMailRow.id.desc()).limit(limit)
        async with self._database.read() as session:
            return tuple(map(_mail, await session.scalars(newest)))


def _mail(row: OutgoingMailRow) -> OutgoingMail:
    return OutgoingMail(
        id=row.id,
        key=row.key,
        user_id=row.user_id,
        message_id=row.message_id,
        recipients=row.recipients,
        subject=row.subject,
        status=row.status,
        created_at=row.created_at,
        accepted_at=row.accepted_at,
        detail=row.detail,
    )
