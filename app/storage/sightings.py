"""Worker processes as they were last seen: what each used, and whether it left in order.

Each writes its own row, at its start, every minute, and when it leaves. Processor and memory are
the process's: its runs share one thread and one heap, and what each used nobody can tell. A row
without a goodbye whose worker shows no sign of life in Redis is of one that died.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.old_rows import remove_rows

KEPT: Final = timedelta(days=1)


class SightingRow(Base):
    """A worker process as the database keeps it."""

    __tablename__ = "worker_sightings"

    worker: Mapped[str] = mapped_column(String(200), primary_key=True)
    host: Mapped[str] = mapped_column(String(200))
    pid: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    left_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cpu_percent: Mapped[float]
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    slots: Mapped[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A worker process, as it was last seen."""

    worker: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    left_at: datetime | None = None
    cpu_percent: float
    """Of one processor, over the minute before."""
    memory_bytes: int
    slots: int


class Sightings:
    """The worker processes in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def see(self, sighting: Sighting) -> None:
        """A worker is there, and uses so much."""
        async with self._database.write() as session:
            await session.merge(SightingRow(**asdict(sighting)))

    async def leave(self, worker: str) -> None:
        """A worker leaves in order; nobody needs to miss it."""
        row = SightingRow
        gone = update(row).where(row.worker == worker).values(left_at=self._now())
        async with self._database.write() as session:
            await session.execute(gone)

    async def recent(self, since: datetime) -> tuple[Sighting, ...]:
        """Those that were seen from then on, the latest to start last."""
        row = SightingRow
        wanted = select(row).where(row.seen_at >= since).order_by(row.started_at, row.worker)
        async with self._database.read() as session:
            return tuple(_sighting(each) for each in await session.scalars(wanted))

    async def prune(self, *, dry_run: bool = False) -> int:
        """Forget those not seen for a day, or only count; returns how many."""
        old = SightingRow.seen_at < self._now() - KEPT
        return await remove_rows(self._database, SightingRow, old, dry_run=dry_run)


def _sighting(row: SightingRow) -> Sighting:
    return Sighting(**{name: getattr(row, name) for name in Sighting.__slots__})
