"""How far the recorder has read the engine's event stream, and what it could not read.

Entries of the stream have ids that grow with time; the events in them are numbered without holes.
A number that jumps is a gap: entries were trimmed before anybody read them. A number that falls,
in an entry that is not in the history yet, is a stream that began anew (Redis was flushed, or lost
its last second): a new epoch, in which nothing is skipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from sqlalchemy import CheckConstraint
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.engine import Batch
from app.storage.base import Base

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_FURTHEST = 2**62  # a number past this is nobody's count


class PositionRow(Base):
    """The position as the database keeps it: one row."""

    __tablename__ = "history_position"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int]
    last: Mapped[int]
    entry_id: Mapped[str]


class GapRow(Base):
    """A gap as the database keeps it."""

    __tablename__ = "history_gaps"

    id: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    missed: Mapped[int]
    since: Mapped[datetime | None]
    until: Mapped[datetime]

    def as_gap(self) -> "Gap":
        """The row as a value."""
        return Gap(epoch=self.epoch, missed=self.missed, since=self.since, until=self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Events that left the stream unread: how many, and between which moments they happened."""

    epoch: int
    missed: int
    since: datetime | None
    """The last event recorded before it; None when there was none."""
    until: datetime
    """The first one recorded after it."""

    def as_row(self) -> GapRow:
        """The value as a row."""
        return GapRow(epoch=self.epoch, missed=self.missed, since=self.since, until=self.until)


class Place(Enum):
    """Where a batch lies, as seen from a position."""

    NEXT = auto()
    """After it, perhaps behind a hole."""
    ANEW = auto()
    """Newer, but numbered lower: the numbers began anew."""
    BEHIND = auto()
    """Not newer: recorded already, unless the stream began anew under a clock that was set back."""
    NOWHERE = auto()
    """It has no numbers: the entry was trimmed after it was read, or somebody else wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The last entry recorded, and the number of its last event."""

    epoch: int = 1
    last: int = 0
    entry_id: str = "0-0"

    def place(self, batch: Batch) -> Place:
        """Where this batch lies."""
        if not 0 < batch.first <= batch.last < _FURTHEST:
            return Place.NOWHERE
        if _order(batch.entry_id) <= _order(self.entry_id):
            return Place.BEHIND
        return Place.NEXT if batch.first > self.last else Place.ANEW

    def gap_before(self, batch: Batch) -> Gap | None:
        """What is missing between here and a batch that comes next."""
        missed = batch.first - self.last - 1
        if self.place(batch) is not Place.NEXT or missed == 0:
            return None
        since = _moment(self.entry_id) if self.last else None
        return Gap(epoch=self.epoch, missed=missed, since=since, until=_moment(batch.entry_id))

    def gaps_among(self, batches: Sequence[Batch]) -> list[Gap]:
        """What is missing before and between these batches."""
        here, gaps = self, list[Gap]()
        for batch in batches:
            if gap := here.gap_before(batch):
                gaps.append(gap)
            here = here.past(batch)
        return gaps

    def past(self, batch: Batch) -> "Position":
        """The position once this batch is recorded."""
        match self.place(batch):
            case Place.NEXT:
                return replace(self, last=batch.last, entry_id=batch.entry_id)
            case Place.ANEW:
                return self.anew(batch)
            case Place.BEHIND | Place.NOWHERE:
                return self

    def anew(self, batch: Batch) -> "Position":
        """The position once this batch is recorded as the first of a new epoch."""
        return Position(epoch=self.epoch + 1, last=batch.last, entry_id=batch.entry_id)

    def as_row(self) -> PositionRow:
        """The value as the only row."""
        return PositionRow(id=1, epoch=self.epoch, last=self.last, entry_id=self.entry_id)


async def position_in(session: AsyncSession) -> Position:
    """How far the stream is recorded, as this session sees it."""
    row = await session.get(PositionRow, 1)
    if row is None:
        return Position()
    return Position(epoch=row.epoch, last=row.last, entry_id=row.entry_id)


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


def _moment(entry_id: str) -> datetime:
    """When the entry was written; its id begins with the server's time."""
    try:
        return _BEGINNING + timedelta(milliseconds=_order(entry_id)[0])
    except OverflowError:  # an id somebody made up
        return datetime.max.replace(tzinfo=UTC)
