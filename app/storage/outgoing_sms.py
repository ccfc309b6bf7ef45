"""SMS that leave: one row each, written before it is sent and kept to the end of it.

    pending ──taken──> accepted ──arrived──────────────> delivered
       │                  └──came back──┐
       └──not this time────────> retrying ──again and again──> failed, or expired after a week
       ├──never──> failed          nobody can tell──> unknown, until a person says
       └──not wanted any more──> dropped

The text is kept as long as it may have to be sent again, and no longer.
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ForeignKey, String, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.key_taken import refuse_anothers
from app.storage.users import UserRow


class SmsStatus(StrEnum):
    """How far an SMS has come."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    """The provider has it, and has not said yet whether it arrived."""
    DELIVERED = "delivered"
    RETRYING = "retrying"
    UNKNOWN = "unknown"
    """It may have gone out, and must not twice: `steward effects` asks a person."""
    FAILED = "failed"
    EXPIRED = "expired"
    DROPPED = "dropped"


EFFECT: Final = "sms:"
"""What the name of an SMS's effect begins with."""

OVER = (SmsStatus.DELIVERED, SmsStatus.FAILED, SmsStatus.EXPIRED, SmsStatus.DROPPED)
"""Nothing more is done about these."""


class OutgoingSmsRow(Base):
    """An outgoing SMS as the database keeps it."""

    __tablename__ = "outgoing_sms"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(400), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"), index=True)
    recipient: Mapped[str] = mapped_column(String(40))
    text: Mapped[str]
    status: Mapped[SmsStatus] = mapped_column(index=True)
    attempts: Mapped[int]
    """How often the provider has said what became of it."""
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    """When to send it again, or to ask the provider about it."""
    provider_id: Mapped[str] = mapped_column(String(100))
    code: Mapped[int | None]
    """What the provider called the last thing that went wrong."""
    detail: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)


_TRY = f"'{EFFECT}' || key || '#' || (attempts + 1)"  # as whoever sends it names it
NOTE_RESTORED: Final = (
    (
        "INSERT OR IGNORE INTO effects (key, run_id, origin, name, is_shared, state, by, job,"
        " attempt, worker, since_ms, asks, result, alive_at)"
        f" SELECT '/' || {_TRY}, 'restored-sms-' || id, 'restored-sms-' || id, {_TRY}, 1,"
        " 'in_doubt', lower(hex(randomblob(16))), 'sms.process_sms_retries', attempts + 1,"
        " 'restored', CAST(strftime('%s', 'now') AS INTEGER) * 1000, 1, x'',"
        " strftime('%Y-%m-%d %H:%M:%f000', 'now')"
        " FROM outgoing_sms WHERE status IN ('retrying', 'unknown')",
        (),
    ),
    (
        "UPDATE outgoing_sms SET status = 'unknown', detail = ? WHERE status = 'retrying'",
        ("it may have been sent since it was saved: see `steward effects`",),
    ),
)
"""What has a restored backup know it: what was to be sent again may have gone out since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSms:
    """An SMS that nobody has written down."""

    key: str
    user_id: int
    recipient: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingSms(NewSms):
    """An SMS to a user, sent or still to be sent."""

    id: int
    status: SmsStatus
    attempts: int
    next_at: datetime | None
    provider_id: str
    code: int | None
    detail: str
    created_at: datetime


class OutgoingSmses:
    """The outgoing SMS in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self.now = now

    async def ensure(self, sms: NewSms) -> OutgoingSms:
        """The SMS with this key: as it was written the first time, or written now as pending."""
        async with self._database.write() as session:
            found, _ = await self.write(session, sms)
        return found

    async def write(self, session: AsyncSession, sms: NewSms) -> tuple[OutgoingSms, bool]:
        """The same within a transaction, and whether it was written now.

        Raises `KeyTaken` when the key is of something to another user.
        """
        row = await session.scalar(select(OutgoingSmsRow).filter_by(key=sms.key))
        if row is not None:
            refuse_anothers(sms.key, whose=row.user_id, wanted_by=sms.user_id)
            return _sms(row), False
        row = OutgoingSmsRow(
            **asdict(sms),
            status=SmsStatus.PENDING,
            attempts=0,
            provider_id="",
            detail="",
            created_at=self.now(),
        )
        session.add(row)
        await session.flush()
        return _sms(row), True

    async def settle(
        self,
        sms: OutgoingSms,
        status: SmsStatus,
        *,
        detail: str,
        next_at: datetime | None = None,
        code: int | None = None,
        provider_id: str = "",
        is_attempt: bool = False,
    ) -> OutgoingSms:
        """Record how it went, in a transaction of its own; what is over stays as it is."""
        async with self._database.write() as session:
            row = await session.get_one(OutgoingSmsRow, sms.id)
            if row.status not in OVER and row.attempts == sms.attempts:
                row.status, row.next_at, row.code, row.detail = status, next_at, code, detail
                row.provider_id = provider_id or row.provider_id
                row.attempts += is_attempt
                is_over = status in OVER or (status is SmsStatus.ACCEPTED and next_at is None)
                row.text = "" if is_over else row.text
        return _sms(row)

    async def drop(self, key: str, *, detail: str) -> None:
        """Give up the SMS with this key, if nothing is known to have become of it."""
        row = OutgoingSmsRow
        new = update(row).where(row.key == key, row.status == SmsStatus.PENDING)
        async with self._database.write() as session:
            await session.execute(new.values(status=SmsStatus.DROPPED, text="", detail=detail))

    async def readdress(self, sms: OutgoingSms, recipient: str) -> OutgoingSms:
        """From now on it goes to another number."""
        async with self._database.write() as session:
            row = await session.get_one(OutgoingSmsRow, sms.id)
            row.recipient = recipient
        return replace(sms, recipient=recipient)

    async def claim(
        self, statuses: tuple[SmsStatus, ...], *, limit: int, lease: timedelta
    ) -> tuple[OutgoingSms, ...]:
        """Take those of a status that are due, the longest due first; nobody else gets them now."""
        due = select(OutgoingSmsRow).where(OutgoingSmsRow.status.in_(statuses))
        due = due.where(OutgoingSmsRow.next_at <= self.now()).order_by(OutgoingSmsRow.next_at)
        async with self._database.write() as session:
            rows = list(await session.scalars(due.limit(limit)))
            for row in rows:
                row.next_at = self.now() + lease
        return tuple(map(_sms, rows))

    async def put_back(self, smses: tuple[OutgoingSms, ...], *, until: datetime) -> None:
        """Let go of some that were claimed, and not come to."""
        ids = [each.id for each in smses]
        row = OutgoingSmsRow
        async with self._database.write() as session:
            await session.execute(update(row).where(row.id.in_(ids)).values(next_at=until))

    async def expire(self, *, before: datetime, dry_run: bool = False) -> int:
        """Send those no more that were written before this moment, or only say how many."""
        row = OutgoingSmsRow
        old = (row.status == SmsStatus.RETRYING) & (row.created_at < before)
        if dry_run:
            async with self._database.read() as session:
                return await session.scalar(select(func.count(row.id)).where(old)) or 0
        over = update(row).where(old).returning(row.id)
        over = over.values(status=SmsStatus.EXPIRED, next_at=None, text="", detail="it is too old")
        async with self._database.write() as session:
            return len((await session.scalars(over)).all())

    async def count(self, *, since: datetime) -> dict[SmsStatus, int]:
        """How many there are of each status, of those written since then."""
        row = OutgoingSmsRow
        counts = select(row.status, func.count().label("number")).where(row.created_at >= since)
        async with self._database.read() as session:
            found = await session.execute(counts.group_by(row.status))
            return {each.status: each.number for each in found}

    async def of(self, user_id: int, *, limit: int = 50) -> tuple[OutgoingSms, ...]:
        """This user's SMS, the newest first; nobody else's."""
        newest = select(OutgoingSmsRow).filter_by(user_id=user_id)
        newest = newest.order_by(OutgoingSmsRow.id.desc()).limit(limit)
        async with self._database.read() as session:
            return tuple(map(_sms, await session.scalars(newest)))


def _sms(row: OutgoingSmsRow) -> OutgoingSms:
    return OutgoingSms(
        id=row.id,
        key=row.key,
        user_id=row.user_id,
        recipient=row.recipient,
        text=row.text,
        status=row.status,
        attempts=row.attempts,
        next_at=row.next_at,
        provider_id=row.provider_id,
        code=row.code,
        detail=row.detail,
        created_at=row.created_at,
    )
