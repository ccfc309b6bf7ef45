"""The users' mailboxes as they were last read: what lies in them, and how far they were read.

Mails and the cursor behind them are written in the same transaction, some at a time. So a sync that
died goes on where it was, and no mail is taken up twice or left out. When the mailbox begins
another epoch, what is stored of the one before stays until the mail turns up under its new number;
what has not turned up in the end is gone.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TypeVar

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    delete,
    false,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.incoming_mail import IncomingMailRow
from app.storage.mailbox_entry import MailboxEntry, MailboxState, Taken
from app.storage.users import UserRow

T = TypeVar("T")
Announce = Callable[[AsyncSession, Sequence[MailboxEntry]], Awaitable[None]]

_ROWS = 500  # ids a statement


class MailboxRow(Base):
    """A mailbox as the database keeps it."""

    __tablename__ = "mailboxes"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(400))
    epoch: Mapped[str] = mapped_column(String(40))
    last: Mapped[int] = mapped_column(BigInteger)
    token: Mapped[str] = mapped_column(String(100))
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)
    is_whole: Mapped[bool] = mapped_column(server_default=false())


class MailboxEntryRow(Base):
    """A mail in a mailbox as the database keeps it."""

    __tablename__ = "mailbox_entries"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "epoch", "place"),
        Index(None, "mailbox_id", "key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey(MailboxRow.id, ondelete="CASCADE"))
    epoch: Mapped[str] = mapped_column(String(40))
    place: Mapped[str] = mapped_column(String(300))
    number: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    flags: Mapped[str]
    message_id: Mapped[str]
    sender: Mapped[str]
    subject: Mapped[str]
    category: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str]
    problem: Mapped[str]
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Mailboxes:
    """The mailboxes in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def ensure(self, user_id: int, name: str) -> tuple[int, MailboxState]:
        """This user's mailbox: its number, and how far it was read."""
        async with self._database.write() as session:
            row = await session.scalar(select(MailboxRow).filter_by(user_id=user_id, name=name))
            if row is None:
                unread = asdict(MailboxState())
                row = MailboxRow(user_id=user_id, name=name, read_at=self._now(), **unread)
                session.add(row)
                await session.flush()
            return row.id, MailboxState(
                epoch=row.epoch, last=row.last, token=row.token, is_whole=row.is_whole
            )

    async def known(self, mailbox_id: int, epoch: str) -> dict[str, str]:
        """The flags of every mail that was taken up in this epoch, by its place."""
        row = MailboxEntryRow
        wanted = select(row.place, row.flags).filter_by(mailbox_id=mailbox_id, epoch=epoch)
        async with self._database.read() as session:
            return {each.place: each.flags for each in await session.execute(wanted)}

    async def take(
        self,
        mailbox_id: int,
        epoch: str,
        entries: Sequence[MailboxEntry],
        *,
        announce: Announce | None = None,
    ) -> Taken:
        """Store some mails, and move the cursor behind them: both or neither.

        `announce` is called with the new ones, in the same transaction.
        """
        last = max((each.number for each in entries), default=0)
        async with self._database.write() as session:
            row = await session.get_one(MailboxRow, mailbox_id)
            if row.epoch != epoch:
                row.epoch, row.last = epoch, 0
            row.last, row.token, row.read_at = max(row.last, last), "", self._now()
            taken = [await self._take(session, mailbox_id, epoch, each) for each in entries]
            new = [each for each, fate in zip(entries, taken, strict=True) if fate == "new"]
            if new and announce:
                await announce(session, new)
        return Taken(
            new=taken.count("new"),
            found_again=len(taken) - taken.count("new") - taken.count("known"),
            updated=taken.count("updated"),
        )

    async def set_flags(self, mailbox_id: int, epoch: str, flags: Mapping[str, str]) -> None:
        """Store other flags of known mails, by their place."""
        row = MailboxEntryRow
        async with self._database.write() as session:
            for place, said in flags.items():
                known = update(row).filter_by(mailbox_id=mailbox_id, epoch=epoch, place=place)
                await session.execute(known.values(flags=said))

    async def finish(
        self, mailbox_id: int, state: MailboxState, present: Collection[str]
    ) -> tuple[int, int]:
        """Forget the mails that are not in their place any more, and note how far it was read.

        Returns how many of them are gone, and how many were filed by us.
        """
        row = MailboxEntryRow
        stored = select(row.id, row.epoch, row.place, row.key).filter_by(mailbox_id=mailbox_id)
        async with self._database.write() as session:
            away = {
                id: key
                for id, epoch, place, key in await session.execute(stored)
                if epoch != state.epoch or place not in present
            }
            filed = await _filed(session, [*away.values()])
            for some in _batches([*away]):
                await session.execute(delete(row).where(row.id.in_(some)))
            mailbox = await session.get_one(MailboxRow, mailbox_id)
            mailbox.epoch, mailbox.token, mailbox.is_whole = state.epoch, state.token, True
            mailbox.last, mailbox.read_at = max(mailbox.last, state.last), self._now()
        moved = sum(key in filed for key in away.values())
        return len(away) - moved, moved

    async def entries(self, user_id: int, name: str) -> tuple[MailboxEntry, ...]:
        """What lies in this user's mailbox, in order of arrival."""
        row = MailboxEntryRow
        wanted = select(row).join(MailboxRow).where(MailboxRow.user_id == user_id)
        wanted = wanted.where(MailboxRow.name == name).order_by(row.number, row.id)
        async with self._database.read() as session:
            return tuple(map(_entry, await session.scalars(wanted)))

    async def count(self, mailbox_id: int) -> int:
        """How many mails are known to lie in it."""
        counted = select(func.count()).select_from(MailboxEntryRow).filter_by(mailbox_id=mailbox_id)
        async with self._database.read() as session:
            return (await session.scalars(counted)).one()

    async def _take(
        self, session: AsyncSession, mailbox_id: int, epoch: str, entry: MailboxEntry
    ) -> str:
        here = select(MailboxEntryRow).filter_by(mailbox_id=mailbox_id)
        if await session.scalar(here.filter_by(epoch=epoch, place=entry.place)):
            return "known"
        earlier = here.filter_by(key=entry.key).where(MailboxEntryRow.epoch != epoch).limit(1)
        row = await session.scalar(earlier)
        if row is None:
            new = MailboxEntryRow(
                mailbox_id=mailbox_id, epoch=epoch, seen_at=self._now(), **asdict(entry)
            )
            session.add(new)
            await session.flush()
            return "new"
        fate = "updated" if row.flags != entry.flags else "same"
        row.epoch, row.place, row.number, row.flags = epoch, entry.place, entry.number, entry.flags
        await session.flush()
        return fate


async def _filed(session: AsyncSession, keys: Sequence[str]) -> set[str]:
    """Those of these mails that we have filed."""
    found = set[str]()
    for some in _batches(keys):
        filed = select(IncomingMailRow.key).where(IncomingMailRow.key.in_(some))
        found |= set(await session.scalars(filed))
    return found


def _batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + _ROWS] for start in range(0, len(items), _ROWS))


def _entry(row: MailboxEntryRow) -> MailboxEntry:
    return MailboxEntry(
        place=row.place,
        number=row.number,
        key=row.key,
        size=row.size,
        flags=row.flags,
        message_id=row.message_id,
        sender=row.sender,
        subject=row.subject,
        category=row.category,
        reason=row.reason,
        problem=row.problem,
    )
