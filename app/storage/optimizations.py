"""What looking after the database did, each time: how it was before, and how it is since."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.database import Database
from app.storage.swept import SweptStatus


class OptimizationRow(Base):
    """An optimization as the database keeps it."""

    __tablename__ = "optimizations"

    id: Mapped[int] = mapped_column(primary_key=True)
    began_at: Mapped[datetime] = mapped_column(index=True)
    dialect: Mapped[str] = mapped_column(String(20))
    result: Mapped[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """How the database is, as asked from it and from the disk."""

    size: int
    """Bytes on the disk, of the file and of its log."""
    unused: int
    """Bytes in it that nothing is stored in."""
    rows: dict[str, int]
    """How many rows each table has, counted."""
    statistics: dict[str, str]
    """What the query planner believes of each index, and of tables without one."""
    queries_ms: float
    """How long the questions took that Steward asks all day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptimized:
    """What was done for the database, or would have been in a dry run."""

    status: SweptStatus = SweptStatus.SUCCESS
    dry_run: bool
    dialect: str
    tables_optimized: int
    """Tables of which the planner believes something else now."""
    indexes_optimized: int
    is_compacted: bool
    freed_bytes: int
    """What the disk got back; negative when the database has grown meanwhile."""
    took: timedelta
    note: str = ""
    """Why it was not compacted, though there was reason to."""
    before: DatabaseFacts
    after: DatabaseFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOptimization:
    """An optimization of which the database tells."""

    began_at: datetime
    dialect: str
    result: dict[str, Any] = field(default_factory=dict[str, Any])


class Optimizations:
    """The history of optimizations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, began_at: datetime, done: DatabaseOptimized) -> None:
        """Remember what was done."""
        plain = msgspec.to_builtins(done)
        async with self._database.write() as session:
            session.add(OptimizationRow(began_at=began_at, dialect=done.dialect, result=plain))

    async def latest(self, limit: int = 20) -> tuple[PastOptimization, ...]:
        """What was done, the latest first."""
        newest = select(OptimizationRow).order_by(OptimizationRow.id.desc()).limit(limit)
        async with self._database.read() as session:
            return tuple(
                PastOptimization(began_at=row.began_at, dialect=row.dialect, result=row.result)
                for row in await session.scalars(newest)
            )
