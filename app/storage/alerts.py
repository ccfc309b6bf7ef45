"""Alerts: what was wrong, since when, who was told, who has seen to it.

    raised ──────────── over ───────────> resolved      it comes back within the cooldown:
      │  └─ acknowledged: told no more ──────┘ ^           the same alert again, and nobody is told
      └── still there after a while: told again └──────

One alert is active for a rule and its subject (a queue, a machine, a worker), however often it is
found; each is told when it is raised and again every `repeat` until somebody acknowledges it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.old_rows import remove_rows

KEPT: Final = timedelta(days=30)
COOLDOWN: Final = timedelta(minutes=5)
REPEAT: Final = timedelta(hours=1)


class Severity(StrEnum):
    """How bad it is."""

    WARNING = "warning"
    CRITICAL = "critical"


class UnknownAlert(LookupError):
    """There is no such alert."""


class AlertRow(Base):
    """An alert as the database keeps it."""

    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(String(200))
    severity: Mapped[Severity]
    line: Mapped[str]
    value: Mapped[float]
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)
    told: Mapped[int]
    acknowledged_by: Mapped[str] = mapped_column(String(200))
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that was wrong, and may be still."""

    id: int
    rule: str
    subject: str
    """What it is about, where a rule looks at several: a queue, a machine, a worker."""
    severity: Severity
    line: str
    value: float
    raised_at: datetime
    seen_at: datetime
    """When it was last found so."""
    told_at: datetime
    told: int
    """How often it was told."""
    acknowledged_by: str
    acknowledged_at: datetime | None
    resolved_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Whether it was still so when it was last looked at."""
        return self.resolved_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What a rule has found."""

    rule: str
    subject: str = ""
    severity: Severity
    value: float
    line: str


class Alerts:
    """The alerts in the database."""

    def __init__(
        self,
        database: Database,
        *,
        cooldown: timedelta = COOLDOWN,
        repeat: timedelta = REPEAT,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._cooldown = cooldown
        self._repeat = repeat
        self._now = now

    async def settle(
        self, session: AsyncSession, breaches: Sequence[Breach]
    ) -> tuple[Sequence[Alert], int]:
        """Bring the alerts to what was found just now: those to be told, and how many are over."""
        now, found = self._now(), {(each.rule, each.subject): each for each in breaches}
        recent = await self._recent(session, now)
        ended = [row for key, row in recent.items() if key not in found and not row.resolved_at]
        for row in ended:
            row.resolved_at = now
        told = [self._found(session, recent, breach, now) for breach in found.values()]
        await session.flush()
        return [_alert(row) for row in told if row is not None], len(ended)

    async def _recent(
        self, session: AsyncSession, now: datetime
    ) -> dict[tuple[str, str], AlertRow]:
        """The latest alert of each kind that is active, or was within the cooldown."""
        row = AlertRow
        still = row.resolved_at.is_(None) | (row.resolved_at > now - self._cooldown)
        rows = await session.scalars(select(row).where(still).order_by(row.id))
        return {(each.rule, each.subject): each for each in rows}

    def _found(
        self,
        session: AsyncSession,
        recent: Mapping[tuple[str, str], AlertRow],
        breach: Breach,
        now: datetime,
    ) -> AlertRow | None:
        """The alert, if it is to be told now."""
        row = recent.get((breach.rule, breach.subject))
        if row is None:
            row = _raised(breach, now)
            session.add(row)
            return row
        row.value, row.line, row.seen_at, row.resolved_at = breach.value, breach.line, now, None
        if row.acknowledged_at is not None or row.told_at > now - self._repeat:
            return None
        row.told, row.told_at = row.told + 1, now
        return row

    async def get(self, alert_id: int) -> Alert:
        """One alert; raises `UnknownAlert`."""
        async with self._database.read() as session:
            return _alert(_known(await session.get(AlertRow, alert_id), alert_id))

    async def list(
        self, *, active: bool = False, since: datetime | None = None, limit: int = 50
    ) -> tuple[Alert, ...]:
        """The latest alerts, or just those that are active, or were raised since then."""
        row = AlertRow
        query = select(row).order_by(row.id.desc()).limit(limit)
        if active:
            query = query.where(row.resolved_at.is_(None))
        if since is not None:
            query = query.where(row.raised_at >= since)
        async with self._database.read() as session:
            return tuple(_alert(each) for each in await session.scalars(query))

    async def acknowledge(self, alert_id: int, *, by: str) -> Alert:
        """Somebody sees to it; who was first stays. Raises `UnknownAlert`."""
        async with self._database.write() as session:
            row = _known(await session.get(AlertRow, alert_id), alert_id)
            if row.acknowledged_at is None:
                row.acknowledged_by, row.acknowledged_at = by, self._now()
            return _alert(row)

    async def prune(self, *, dry_run: bool = False) -> int:
        """Forget those that have been over for a month, or only count; returns how many."""
        old = AlertRow.resolved_at < self._now() - KEPT
        return await remove_rows(self._database, AlertRow, old, dry_run=dry_run)


def _raised(breach: Breach, now: datetime) -> AlertRow:
    return AlertRow(
        rule=breach.rule,
        subject=breach.subject,
        severity=breach.severity,
        line=breach.line,
        value=breach.value,
        raised_at=now,
        seen_at=now,
        told_at=now,
        told=1,
        acknowledged_by="",
    )


def _known(row: AlertRow | None, alert_id: int) -> AlertRow:
    if row is None:
        raise UnknownAlert(f"there is no alert {alert_id}")
    return row


def _alert(row: AlertRow) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.__slots__})
