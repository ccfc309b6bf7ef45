"""What two sides of a mirror were like when they were last alike, thing by thing."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    String,
    UniqueConstraint,
    delete,
    false,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.database import Database
from app.storage.users import UserRow

RESTORED: Final = "restored"
"""In place of a cursor: what is known is a restored backup's; the next sync removes nothing."""
_DIGEST = 64  # characters of a SHA-256


class MirrorRow(Base):
    """A folder of a user's that is kept in step with an account elsewhere."""

    __tablename__ = "mirrors"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    cursor: Mapped[str]
    """How far the other side's changes were taken in."""
    is_held: Mapped[bool] = mapped_column(server_default=false())
    """Whether nothing is synced until a person says what is meant."""
    recoveries: Mapped[int] = mapped_column(server_default="0")
    """How often it was so, and is over."""


class MirrorItemRow(Base):
    """A thing as both sides last had it."""

    __tablename__ = "mirror_items"
    __table_args__ = (
        UniqueConstraint("mirror_id", "name"),
        UniqueConstraint("mirror_id", "remote_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    mirror_id: Mapped[int] = mapped_column(ForeignKey(MirrorRow.id, ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    remote_id: Mapped[str | None] = mapped_column(String(1_000))
    asked: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(1_000))
    here: Mapped[str] = mapped_column(String(_DIGEST))
    there: Mapped[str] = mapped_column(String(_DIGEST))
    is_pending: Mapped[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorItem:
    """A thing as both sides last had it."""

    name: str
    """Its file here."""
    remote_id: str | None = None
    """Its id there; None while nobody knows whether it has arrived there."""
    asked: str = ""
    """The name that it asked for there."""
    version: str = ""
    here: str = ""
    """The digest of the file."""
    there: str = ""
    """The digest of what is there: the other side may write the same in other words."""
    is_pending: bool = False
    """Whether it was about to be sent, and perhaps was."""


_COLUMNS = tuple(each.name for each in fields(MirrorItem))


class MirrorBook:
    """One mirror of one user."""

    def __init__(self, database: Database, user_id: int, name: str) -> None:
        self._database = database
        self._user_id = user_id
        self._name = name
        self._id = 0
        self._is_held = False
        self.recoveries = 0
        """How often it was held, and went on again; known once it is open."""

    async def open(self) -> tuple[str, tuple[MirrorItem, ...]]:
        """The cursor and all that is known; empty the first time."""
        key = {"user_id": self._user_id, "name": self._name}
        async with self._database.write() as session:
            row = await session.scalar(select(MirrorRow).filter_by(**key))
            if row is None:
                row = MirrorRow(**key, cursor="")
                session.add(row)
                await session.flush()
            found = await session.scalars(select(MirrorItemRow).filter_by(mirror_id=row.id))
            self._id, self._is_held, self.recoveries = row.id, row.is_held, row.recoveries
            return row.cursor, tuple(map(_item, found))

    async def put(self, item: MirrorItem, *, instead_of: str | None = None) -> None:
        """Write down a thing, in place of what is known under this name, or that of old."""
        row = MirrorItemRow
        is_same: ColumnElement[bool] = row.name.in_([item.name, instead_of or item.name])
        if item.remote_id is not None:
            is_same = or_(is_same, row.remote_id == item.remote_id)
        old = delete(row).where(row.mirror_id == self._id, is_same)
        async with self._database.write() as session:
            await session.execute(old)
            session.add(MirrorItemRow(mirror_id=self._id, **_columns(item)))

    async def drop(self, name: str) -> None:
        """Forget a thing."""
        gone = delete(MirrorItemRow).filter_by(mirror_id=self._id, name=name)
        async with self._database.write() as session:
            await session.execute(gone)

    async def reach(self, cursor: str) -> None:
        """Write down how far the other side's changes were taken in."""
        reached = update(MirrorRow).where(MirrorRow.id == self._id, MirrorRow.cursor != cursor)
        async with self._database.write() as session:
            await session.execute(reached.values(cursor=cursor))

    async def hold(self) -> None:
        """Write down that nothing is synced until a person says what is meant."""
        await self._set(is_held=True)

    async def recover(self) -> None:
        """Write down that it goes on, if it was held."""
        if self._is_held:
            self.recoveries += 1
            await self._set(is_held=False)

    async def _set(self, *, is_held: bool) -> None:
        self._is_held = is_held
        values = {"is_held": is_held, "recoveries": self.recoveries}
        async with self._database.write() as session:
            await session.execute(update(MirrorRow).where(MirrorRow.id == self._id).values(values))

    async def begin_again(self, unknown: Iterable[str]) -> None:
        """Forget these things, and how far the other side's changes were taken in."""
        names = list(unknown)
        async with self._database.write() as session:
            for name in names:
                gone = delete(MirrorItemRow).filter_by(mirror_id=self._id, name=name)
                await session.execute(gone)
            await session.execute(
                update(MirrorRow).where(MirrorRow.id == self._id).values(cursor="")
            )

    async def forget(self) -> None:
        """Forget all that is known, as if this were the first time."""
        async with self._database.write() as session:
            await session.execute(delete(MirrorItemRow).filter_by(mirror_id=self._id))
            await session.execute(
                update(MirrorRow).where(MirrorRow.id == self._id).values(cursor="")
            )


def _columns(item: MirrorItem) -> dict[str, Any]:
    return {name: getattr(item, name) for name in _COLUMNS}


def _item(row: MirrorItemRow) -> MirrorItem:
    return MirrorItem(**{name: getattr(row, name) for name in _COLUMNS})
