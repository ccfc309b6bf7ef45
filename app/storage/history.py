"""What is over and done with: rows of a table that tell of a past, and go once that is long ago.

Whoever adds a table of that kind adds a line to `PASTS`. What was told and sent is kept for spans
of its own, and never goes while something may still come of it: what is not sent, what is in doubt,
and the notices of what lasts, by which it is told once. Rows go some thousand at a time, so that
nobody else has to wait for long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, not_, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.storage.base import Base
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.health import HealthCheckRow
from app.storage.incoming_mail import IncomingMailRow
from app.storage.notifications import NoticeRow
from app.storage.optimizations import OptimizationRow
from app.storage.outgoing_mail import MailStatus, OutgoingMailRow
from app.storage.outgoing_posts import OutgoingPostRow, PostStatus
from app.storage.outgoing_sms import OVER as SMS_OVER
from app.storage.outgoing_sms import OutgoingSmsRow, SmsStatus
from app.storage.position import GapRow
from app.storage.run import OVER
from app.storage.runs import RunRow
from app.storage.swept import HistoryPruned
from app.storage.sync_history import SyncHistoryRow

_AT_ONCE = 2_000  # rows in one transaction
_STANDING = ("landslide:", "preferences:", "refused:")  # may be met again next year, and told anew


class Kept(Enum):
    """Which span a table is kept for."""

    HISTORY = auto()
    NOTICES = auto()
    MESSAGES = auto()


@dataclass(frozen=True, slots=True)
class Past:
    """A table that tells of a past: when each row happened, and which rows are not over yet."""

    row: type[Base]
    happened: InstrumentedAttribute[Any] | ColumnElement[Any]
    is_over: ColumnElement[bool] | None = None
    kept: Kept = Kept.HISTORY

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.row.__tablename__)

    def before(self, moment: datetime) -> ColumnElement[bool]:
        """The rows to go."""
        old: ColumnElement[bool] = self.happened < moment
        return old if self.is_over is None else old & self.is_over


PASTS: Final = (
    Past(RunRow, RunRow.ended_at, RunRow.status.in_(OVER)),
    Past(GapRow, GapRow.until),
    Past(HealthCheckRow, HealthCheckRow.checked_at),
    Past(SyncHistoryRow, SyncHistoryRow.started_at),
    Past(OptimizationRow, OptimizationRow.began_at),
    Past(
        NoticeRow,
        NoticeRow.created_at,
        not_(or_(*map(NoticeRow.dedupe_key.startswith, _STANDING))),
        Kept.NOTICES,
    ),
    Past(IncomingMailRow, IncomingMailRow.filed_at, kept=Kept.MESSAGES),
    Past(
        OutgoingMailRow,
        func.coalesce(OutgoingMailRow.accepted_at, OutgoingMailRow.created_at),
        OutgoingMailRow.status.in_((MailStatus.SENT, MailStatus.REFUSED)),
        Kept.MESSAGES,
    ),
    Past(
        OutgoingSmsRow,
        OutgoingSmsRow.created_at,
        OutgoingSmsRow.status.in_((*SMS_OVER, SmsStatus.ACCEPTED))
        & OutgoingSmsRow.next_at.is_(None),
        Kept.MESSAGES,
    ),
    Past(
        OutgoingPostRow,
        OutgoingPostRow.settled_at,
        OutgoingPostRow.status.in_((PostStatus.SENT, PostStatus.FAILED)),
        Kept.MESSAGES,
    ),
)


class History:
    """The past in the database."""

    def __init__(
        self,
        database: Database,
        *,
        keep: timedelta = timedelta(days=90),
        keep_notices: timedelta = timedelta(days=90),
        keep_messages: timedelta = timedelta(days=365),
        pasts: Sequence[Past] = PASTS,
        now: Now = utc_now,
    ) -> None:
        """A span of zero is for ever."""
        self._database = database
        self._keep = {
            Kept.HISTORY: keep,
            Kept.NOTICES: keep_notices,
            Kept.MESSAGES: keep_messages,
        }
        self._pasts = pasts
        self._now = now

    async def prune(self, *, dry_run: bool = False) -> HistoryPruned:
        """Remove what is older than it is kept, or only say how much. Safe to repeat."""
        tables = {past.name: await self._prune(past, dry_run=dry_run) for past in self._pasts}
        return HistoryPruned(dry_run=dry_run, removed=sum(tables.values()), tables=tables)

    async def _prune(self, past: Past, *, dry_run: bool) -> int:
        keep = self._keep[past.kept]
        if not keep:
            return 0
        act = self._count if dry_run else self._remove
        return await act(past, self._now() - keep)

    async def _count(self, past: Past, before: datetime) -> int:
        counted = select(func.count()).select_from(past.row).where(past.before(before))
        async with self._database.read() as session:
            return await session.scalar(counted) or 0

    async def _remove(self, past: Past, before: datetime) -> int:
        keys = past.row.__mapper__.primary_key
        some = select(*keys).where(past.before(before)).limit(_AT_ONCE)
        going = delete(past.row).where(tuple_(*keys).in_(some)).returning(keys[0])
        removed = 0
        while True:
            async with self._database.write() as session:
                gone = len((await session.execute(going)).all())
            removed += gone
            if gone < _AT_ONCE:
                return removed
