"""The history of health checks. Each check begins by writing its row: that the database takes it
is one of the things it asks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database

_KEPT = timedelta(days=30)
_UNHEALTHY = "unhealthy"


class HealthCheckRow(Base):
    """A health check as the database keeps it."""

    __tablename__ = "health_checks"

    id: Mapped[int] = mapped_column(primary_key=True)
    checked_at: Mapped[datetime] = mapped_column(index=True)
    overall: Mapped[str] = mapped_column(String(20))
    """Empty while the check is under way, and after one that never ended."""
    report: Mapped[dict[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCheck:
    """A health check that was made."""

    checked_at: datetime
    overall: str
    report: dict[str, Any]

    @property
    def unhealthy(self) -> list[str]:
        """A line for each part that it found unhealthy."""
        parts = self.report.get("parts", ())
        return [f"{each['name']}: {each['line']}" for each in parts if each["level"] == _UNHEALTHY]


class HealthChecks:
    """The health checks in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def begin(self, checked_at: datetime) -> int:
        """Write the row of a check that is under way; returns its id."""
        row = HealthCheckRow(checked_at=checked_at, overall="", report=None)
        async with self._database.write(in_turn=False) as session:
            session.add(row)
        return row.id

    async def finish(self, check_id: int, overall: str, report: dict[str, Any]) -> None:
        """Add what the check found, and forget checks older than a month."""
        row = HealthCheckRow
        found = update(row).where(row.id == check_id).values(overall=overall, report=report)
        async with self._database.write(in_turn=False) as session:
            await session.execute(found)
            await session.execute(delete(row).where(row.checked_at < self._now() - _KEPT))

    async def latest(self, limit: int = 50) -> tuple[PastCheck, ...]:
        """The checks that ended, the latest first."""
        row = HealthCheckRow
        ended = select(row).where(row.overall != "").order_by(row.id.desc()).limit(limit)
        async with self._database.read() as session:
            return tuple(
                PastCheck(checked_at=r.checked_at, overall=r.overall, report=r.report or {})
                for r in await session.scalars(ended)
            )
