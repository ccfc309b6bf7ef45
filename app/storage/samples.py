"""How busy the machines and queues were, a row a minute, for a week.

A machine's sample is written by whichever of its worker processes comes first in a minute; a
queue's by the run that looks at the alerts. Rates are per second, shares in percent.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, String, select
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.old_rows import remove_rows

KEPT: Final = timedelta(days=7)
"""A week shows what weekends are like; it is ten thousand rows for a machine."""


class MachineSampleRow(Base):
    """A machine's minute as the database keeps it."""

    __tablename__ = "machine_samples"

    host: Mapped[str] = mapped_column(String(200), primary_key=True)
    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True, index=True)
    cores: Mapped[int]
    cpu_percent: Mapped[float]
    memory_percent: Mapped[float]
    disk_percent: Mapped[float]
    load_per_core: Mapped[float]
    read_rate: Mapped[float]
    write_rate: Mapped[float]
    receive_rate: Mapped[float]
    send_rate: Mapped[float]


class QueueSampleRow(Base):
    """A queue's minute as the database keeps it."""

    __tablename__ = "queue_samples"

    queue: Mapped[str] = mapped_column(String(200), primary_key=True)
    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True, index=True)
    ready: Mapped[int] = mapped_column(BigInteger)
    deferred: Mapped[int] = mapped_column(BigInteger)
    running: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSample:
    """How busy one machine was in one minute."""

    host: str
    minute: datetime
    cores: int
    cpu_percent: float
    memory_percent: float
    disk_percent: float
    load_per_core: float
    """Processes that wanted a processor, by the processors there are: 1.0 is all of them busy."""
    read_rate: float
    """Bytes a second that its disks read."""
    write_rate: float
    receive_rate: float
    """Bytes a second that came in from the network."""
    send_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSample:
    """How full a queue was in one minute."""

    queue: str
    minute: datetime
    ready: int
    deferred: int
    running: int


class Samples:
    """The samples in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def add_machine(self, sample: MachineSample) -> bool:
        """Keep a machine's sample; False when this minute of it has one."""
        async with self._database.write() as session:
            if await session.get(MachineSampleRow, (sample.host, sample.minute)):
                return False
            session.add(MachineSampleRow(**asdict(sample)))
        return True

    async def add_queues(self, samples: Iterable[QueueSample]) -> None:
        """Keep samples of queues, the latest of a minute."""
        async with self._database.write() as session:
            for each in samples:
                await session.merge(QueueSampleRow(**asdict(each)))

    async def machines(self, since: datetime) -> tuple[MachineSample, ...]:
        """Every machine's samples from then on, the oldest first."""
        row = MachineSampleRow
        wanted = select(row).where(row.minute >= since).order_by(row.minute, row.host)
        async with self._database.read() as session:
            return tuple(_machine(each) for each in await session.scalars(wanted))

    async def queues(self, since: datetime) -> tuple[QueueSample, ...]:
        """Every queue's samples from then on, the oldest first."""
        row = QueueSampleRow
        wanted = select(row).where(row.minute >= since).order_by(row.minute, row.queue)
        async with self._database.read() as session:
            return tuple(_queue(each) for each in await session.scalars(wanted))

    async def prune(self, *, dry_run: bool = False) -> int:
        """Forget what is older than a week, or only count; returns how many rows that were."""
        until = self._now() - KEPT
        return sum(
            [
                await remove_rows(self._database, row, row.minute < until, dry_run=dry_run)
                for row in (MachineSampleRow, QueueSampleRow)
            ]
        )


def minute_of(moment: datetime) -> datetime:
    """The minute that a moment is in."""
    return moment.replace(second=0, microsecond=0)


def _machine(row: MachineSampleRow) -> MachineSample:
    return MachineSample(**{name: getattr(row, name) for name in MachineSample.__slots__})


def _queue(row: QueueSampleRow) -> QueueSample:
    return QueueSample(**{name: getattr(row, name) for name in QueueSample.__slots__})
