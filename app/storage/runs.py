"""The history: every run that a worker has tried, and how it went.

A run is one row, made by its first event and brought up to date by the later ones: the latest
attempt's outcome, the first attempt's start. A run that is over stays over; of two attempts the
higher number counts, of two events of one attempt the later one. So recording an event again
changes nothing, and neither does one that comes late.

An id may be used again once nothing is left of its first run in Redis. That is another run: a row
is known by its id and the moment it was enqueued.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Index,
    case,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.engine import Batch, Ending, RunEvent, UnknownRun
from app.storage.base import Base
from app.storage.database import Database
from app.storage.dialect import dialect_of, insert_of
from app.storage.position import Gap, GapRow, Place, Position, position_in
from app.storage.run import OVER, Run

_Rank = tuple[bool, int, datetime]
_NOTHING: _Rank = (False, -1, datetime.min.replace(tzinfo=UTC))

_MOST_ATTEMPTS = 2**31 - 1


class RunRow(Base):
    """A run as the database keeps it."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    enqueued_at: Mapped[datetime] = mapped_column(primary_key=True)
    job: Mapped[str]
    queue: Mapped[str]
    status: Mapped[Ending]
    attempts: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    worker: Mapped[str]
    owner: Mapped[str]
    parent: Mapped[str]
    error_kind: Mapped[str]
    error_message: Mapped[str]
    due_at: Mapped[datetime | None]
    """Unless it was due when it was enqueued."""

    __table_args__ = (
        Index(None, "ended_at"),
        Index(None, "status", "ended_at"),
        Index(None, "queue", "ended_at"),
    )


class Runs:
    """The history of runs in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, run_id: str) -> Run:
        """The latest run of this id; raises `UnknownRun`."""
        query = select(RunRow).where(RunRow.id == run_id)
        async with self._database.read() as session:
            row = await session.scalar(query.order_by(RunRow.enqueued_at.desc()).limit(1))
        if row is None:
            raise UnknownRun(f"no run {run_id!r} in the history")
        return _run(row)

    async def list(
        self, *, status: Ending | None = None, queue: str | None = None, limit: int = 50
    ) -> tuple[Run, ...]:
        """The latest runs, newest first."""
        query = select(RunRow).order_by(RunRow.ended_at.desc(), RunRow.id).limit(limit)
        if status is not None:
            query = query.where(RunRow.status == status)
        if queue is not None:
            query = query.where(RunRow.queue == queue)
        async with self._database.read() as session:
            return tuple(_run(row) for row in await session.scalars(query))

    async def counts(self) -> dict[Ending, int]:
        """How many runs there are of each status; a status without runs counts 0."""
        query = select(RunRow.status, func.count()).group_by(RunRow.status)
        async with self._database.read() as session:
            rows = (await session.execute(query)).all()
        return dict.fromkeys(Ending, 0) | {row[0]: row[1] for row in rows}

    async def gaps(self) -> tuple[Gap, ...]:
        """What the recorder missed, latest first."""
        query = select(GapRow).order_by(GapRow.id.desc())
        async with self._database.read() as session:
            return tuple(row.as_gap() for row in await session.scalars(query))

    async def position(self) -> Position:
        """How far the event stream is recorded."""
        async with self._database.read() as session:
            return await position_in(session)

    async def record(self, batches: Sequence[Batch]) -> Position:
        """Record these batches, given in the stream's order, and the position after them.

        All of it is one transaction. Safe to repeat: what is recorded already is skipped.
        """
        async with self._database.write() as session:
            position = await position_in(session)
            for batch in batches:
                position = await _record(session, position, batch)
            await session.merge(position.as_row())
        return position


async def _record(session: AsyncSession, position: Position, batch: Batch) -> Position:
    is_behind = position.place(batch) is Place.BEHIND
    if is_behind and await _has_all(session, batch.events):
        return position
    await _write(session, batch.events)
    if gap := position.gap_before(batch):
        session.add(gap.as_row())
    return position.anew(batch) if is_behind else position.past(batch)


async def _has_all(session: AsyncSession, events: Sequence[RunEvent]) -> bool:
    """Whether the history is as far as these events, or further."""
    ids = {event.run_id for event in events}
    rows = await session.scalars(select(RunRow).where(RunRow.id.in_(ids)))
    known = {
        (row.id, row.enqueued_at): _rank(row.status, row.attempts, row.ended_at) for row in rows
    }
    return all(
        known.get((event.run_id, event.enqueued_at), _NOTHING)
        >= _rank(event.ending, _attempts(event), event.ended_at)
        for event in events
    )


def _rank(status: Ending, attempts: int, ended_at: datetime) -> _Rank:
    """Of two events of a run, the one of the higher rank tells how it stands; see `_upsert`."""
    return status in OVER, attempts, ended_at


async def _write(session: AsyncSession, events: Sequence[RunEvent]) -> None:
    if events:
        upsert = _upsert(dialect_of(session))
        await session.execute(upsert, [_values(event) for event in events])


def _values(event: RunEvent) -> dict[str, Any]:
    return {
        "id": event.run_id,
        "enqueued_at": event.enqueued_at,
        "due_at": event.due_at,
        "job": event.job,
        "queue": event.queue,
        "status": event.ending,
        "attempts": _attempts(event),
        "started_at": event.started_at,
        "ended_at": event.ended_at,
        "worker": event.worker,
        "owner": event.owner,
        "parent": event.parent,
        "error_kind": event.error_kind,
        "error_message": event.error_message,
    }


def _attempts(event: RunEvent) -> int:
    return min(max(event.attempt, 0), _MOST_ATTEMPTS)


@cache
def _upsert(dialect: str) -> Executable:
    new, old = insert_of(dialect, RunRow), RunRow.__table__.c
    told = new.excluded
    is_newer = tuple_(_is_over(told.status), told.attempts, told.ended_at) >= tuple_(
        _is_over(old.status), old.attempts, old.ended_at
    )
    latest = ("status", "ended_at", "worker", "error_kind", "error_message")
    changes: dict[str, Any] = {
        name: case((is_newer, told[name]), else_=old[name]) for name in latest
    }
    more, earlier = told.attempts > old.attempts, told.started_at < old.started_at
    changes["attempts"] = case((more, told.attempts), else_=old.attempts)
    changes["started_at"] = case((earlier, told.started_at), else_=old.started_at)
    return new.on_conflict_do_update(index_elements=["id", "enqueued_at"], set_=changes)


def _is_over(status: ColumnElement[Ending]) -> ColumnElement[bool]:
    """Written out, not bound: it stands in the statement ten times, for thousands of events."""
    return or_(*(status == literal_column(f"'{each.value}'") for each in OVER))


def _run(row: RunRow) -> Run:
    return Run(**{name: getattr(row, name) for name in Run.__slots__})
