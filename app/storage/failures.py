"""Failures: every attempt that failed, with its traceback and the shape of its arguments.

They are kept for a month, and no more than the latest hundred thousand. What is in them was made
harmless before (see app.observability.failures): values of arguments are not.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import String, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from app.engine import Ending
from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.old_rows import remove_rows

KEPT: Final = timedelta(days=30)
MOST: Final = 100_000
_ESCAPE = "\\"


class FailureRow(Base):
    """A failed attempt as the database keeps it."""

    __tablename__ = "failures"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(String(200), index=True)
    job: Mapped[str] = mapped_column(String(200))
    queue: Mapped[str] = mapped_column(String(200))
    ending: Mapped[Ending]
    attempt: Mapped[int]
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    worker: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(400))
    message: Mapped[str]
    arguments: Mapped[str]
    traceback: Mapped[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFailure:
    """An attempt that failed."""

    run_id: str
    job: str
    queue: str
    ending: Ending
    attempt: int
    failed_at: datetime
    worker: str
    kind: str
    message: str
    arguments: str
    """Their names and types; of text no more than its length."""
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(NewFailure):
    """The same, once it is kept."""

    id: int


class Failures:
    """The failures in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def add(self, failures: Iterable[NewFailure]) -> None:
        """Keep these."""
        async with self._database.write() as session:
            session.add_all(FailureRow(**asdict(each)) for each in failures)

    async def find(
        self,
        *,
        words: str = "",
        job: str | None = None,
        run_id: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
    ) -> tuple[Failure, ...]:
        """The latest failures; with `words`, those that have them in job, error or traceback."""
        row = FailureRow
        query = select(row).order_by(row.id.desc()).limit(limit)
        for column, wanted in ((row.job, job), (row.run_id, run_id)):
            if wanted is not None:
                query = query.where(column == wanted)
        if since is not None:
            query = query.where(row.failed_at >= since)
        for word in words.split():
            texts = (row.job, row.kind, row.message, row.traceback)
            query = query.where(
                or_(*(each.ilike(_holding(word), escape=_ESCAPE) for each in texts))
            )
        async with self._database.read() as session:
            return tuple(_failure(each) for each in await session.scalars(query))

    async def prune(self, *, dry_run: bool = False) -> int:
        """Forget what is older than a month, or more than is kept, or only count it."""
        row = FailureRow
        newest = select(func.max(row.id)).scalar_subquery().correlate(None)
        old = (row.failed_at < self._now() - KEPT) | (row.id <= newest - MOST)
        return await remove_rows(self._database, row, old, dry_run=dry_run)


def _holding(word: str) -> str:
    for special in (_ESCAPE, "%", "_"):
        word = word.replace(special, _ESCAPE + special)
    return f"%{word}%"


def _failure(row: FailureRow) -> Failure:
    names = (*NewFailure.__dataclass_fields__, "id")
    return Failure(**{name: getattr(row, name) for name in names})
