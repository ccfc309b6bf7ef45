"""What each sync did: when, with which source, how many things changed, and how it ended.

One table for all that is kept in step with something outside: calendars, notes, mail, preferences.
A sync writes its row when it begins. One that died leaves it `running`; the next of the same source
finds that, and calls it interrupted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.users import UserRow


class SyncOutcome(StrEnum):
    """How a sync ended."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    """Something could not be synced; the rest is up to date."""
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"
    """There is nothing to sync with: the settings name no account."""
    INTERRUPTED = "interrupted"
    """It died before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCounts:
    """What changed, each thing counted once."""

    new: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    sent: int = 0
    """Changes of ours that the other side has taken."""
    conflicts: int = 0
    failed: int = 0


class SyncHistoryRow(Base):
    """A sync as the database keeps it."""

    __tablename__ = "sync_history"
    __table_args__ = (Index(None, "kind", "source", "started_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey(UserRow.id, ondelete="CASCADE"))
    """Null when it was for all users at once."""
    kind: Mapped[str] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    outcome: Mapped[SyncOutcome]
    new: Mapped[int]
    updated: Mapped[int]
    deleted: Mapped[int]
    unchanged: Mapped[int]
    sent: Mapped[int]
    conflicts: Mapped[int]
    failed: Mapped[int]
    errors: Mapped[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSync:
    """A sync as it is known afterwards."""

    user_id: int | None
    kind: str
    source: str
    started_at: datetime
    ended_at: datetime | None
    outcome: SyncOutcome
    counts: SyncCounts
    errors: tuple[str, ...] = field(default=())


class SyncHistory:
    """The syncs of one kind."""

    def __init__(self, database: Database, kind: str, *, now: Now = utc_now) -> None:
        """`kind` is what is synced: `calendar`, `notes`, `mail`, `preferences`."""
        self._database = database
        self._kind = kind
        self._now = now

    async def begin(self, source: str, *, user_id: int | None = None) -> int:
        """Note that a sync begins; returns its number, for `end`."""
        row = SyncHistoryRow(
            user_id=user_id,
            kind=self._kind,
            source=source,
            started_at=self._now(),
            outcome=SyncOutcome.RUNNING,
            errors=[],
            **asdict(SyncCounts()),
        )
        died = update(SyncHistoryRow).filter_by(
            user_id=user_id, kind=self._kind, source=source, outcome=SyncOutcome.RUNNING
        )
        async with self._database.write() as session:
            await session.execute(died.values(outcome=SyncOutcome.INTERRUPTED))
            session.add(row)
        return row.id

    async def end(
        self,
        number: int,
        outcome: SyncOutcome,
        counts: SyncCounts = SyncCounts(),
        errors: Sequence[str] = (),
    ) -> None:
        """Note how it ended."""
        ended = update(SyncHistoryRow).where(SyncHistoryRow.id == number)
        values = asdict(counts) | {"outcome": outcome, "errors": list(errors)}
        async with self._database.write() as session:
            await session.execute(ended.values(ended_at=self._now(), **values))

    async def last_ended(self) -> PastSync | None:
        """The last sync of this kind that came to its end."""
        wanted = select(SyncHistoryRow).filter_by(kind=self._kind)
        wanted = wanted.where(SyncHistoryRow.ended_at.is_not(None))
        async with self._database.read() as session:
            row = await session.scalar(wanted.order_by(SyncHistoryRow.id.desc()).limit(1))
        return None if row is None else _past(row)

    async def latest(self, *, limit: int = 20) -> tuple[PastSync, ...]:
        """The last syncs of this kind, the latest first."""
        wanted = select(SyncHistoryRow).filter_by(kind=self._kind)
        wanted = wanted.order_by(SyncHistoryRow.id.desc()).limit(limit)
        async with self._database.read() as session:
            return tuple(map(_past, await session.scalars(wanted)))


def _past(row: SyncHistoryRow) -> PastSync:
    return PastSync(
        user_id=row.user_id,
        kind=row.kind,
        source=row.source,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        counts=SyncCounts(**{each.name: getattr(row, each.name) for each in fields(SyncCounts)}),
        errors=tuple(row.errors),
    )
