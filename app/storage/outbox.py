"""Runs written down in a transaction, to be enqueued once it is committed: both or neither.

    async with database.write() as session:
        session.add(invoice)
        await outbox.enqueue(session, send_invoice, invoice.id)

The run is checked, sealed and named when it is written, so nothing is left to decide, or to refuse,
when a relay (app.relay) brings it to its queue and deletes the row. Rows are brought in the order
in which they were written. One that can't be brought now says why in `trouble`, waits longer after
each try, and holds up no other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, ParamSpec, Protocol, TypeGuard, TypeVar, overload

import anyio
from sqlalchemy import String, delete, event, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.engine import BadArguments, Call, Handle, Job, NewRun
from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database, must_last

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST_PAUSE = timedelta(minutes=1)  # between two tries to bring a run that can't be brought
_LONGEST_TROUBLE = 500  # characters


class OutboxRow(Base):
    """A run as the database keeps it."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(String(40), unique=True)
    """What tells it from every other row there ever was; an `id` may come again."""
    run_id: Mapped[str] = mapped_column(String(200))
    job: Mapped[str] = mapped_column(String(200))
    queue: Mapped[str] = mapped_column(String(200))
    run: Mapped[bytes]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tries: Mapped[int]
    try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    trouble: Mapped[str]
    """Why it could not be brought the last time; empty while it was not tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run that waits to be brought to its queue."""

    mark: str
    run_id: str
    job: str
    queue: str
    written_at: datetime
    tries: int
    trouble: str
    kept: bytes

    def run(self) -> NewRun:
        """The run as it was sealed; raises `ValueError` for what isn't one."""
        return NewRun.of(self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an outbox stands."""

    waiting: int
    troubled: int
    """How many of them could not be brought when they were tried."""
    oldest: datetime | None
    job: str
    """Of the oldest that is troubled; empty when none is."""
    trouble: str
    """Why that one could not be brought."""


class Counter(Protocol):
    """Where calls are checked and sealed: the engine's client."""

    def prepare(self, call: Call[Any], /) -> NewRun:
        """Raises `CallRefused`, and nothing was written."""
        ...

    def promised(self, run_id: str, call: Call[R], /) -> Handle[R]:
        """The run it will be."""
        ...


class Outbox:
    """Takes runs within transactions of the database it belongs to."""

    def __init__(self, database: Database, counter: Counter, *, now: Now = utc_now) -> None:
        self._database = database
        self._counter = counter
        self._now = now
        self._written = anyio.Event()

    @overload
    async def enqueue(
        self, session: AsyncSession, job: Job[Any, P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Handle[R]: ...
    @overload
    async def enqueue(self, session: AsyncSession, job: Call[R], /) -> Handle[R]: ...
    async def enqueue(
        self, session: AsyncSession, job: Any, /, *args: Any, **kwargs: Any
    ) -> Handle[Any]:
        """Write a run in the session's transaction: it is enqueued if that is committed.

        The handle's `result` waits for that too; until then the run is unknown, and `is_new` says
        nothing. Raises `CallRefused`, before anything is written, for what can never run.
        """
        call = _call_of(job, args, kwargs)
        run, now = self._counter.prepare(call), self._now()
        _refuse_debounced(run, call)
        must_last(session)
        await session.execute(insert(OutboxRow).values(_fields(call, run, now)))
        self._ring_after(session)
        return self._counter.promised(run.id, call)

    async def written(self, *, within: timedelta) -> None:
        """Return when this process has committed something, and after `within` in any case."""
        with anyio.move_on_after(within.total_seconds()):
            await self._written.wait()
        self._written = anyio.Event()

    async def next(self, *, most: int) -> list[Waiting]:
        """What is to be brought now, in the order in which it was written."""
        due = select(OutboxRow).where(OutboxRow.try_at <= self._now())
        async with self._database.read() as session:
            rows = await session.scalars(due.order_by(OutboxRow.id).limit(most))
            return list(map(_waiting, rows))

    async def make_last(self) -> None:
        """Return once what was read of it would survive a power cut: its writer may still sync."""
        await self._database.place.make_last()

    async def brought(self, marks: Iterable[str]) -> None:
        """Delete these: they are on their queues. Safe to repeat."""
        async with self._database.write(in_turn=False) as session:
            must_last(session)  # their marks go next: a row that came back would go again
            await session.execute(delete(OutboxRow).where(OutboxRow.mark.in_(list(marks))))

    async def put_off(self, waiting: Waiting, trouble: str) -> None:
        """Note why it can't be brought, and let it wait, twice as long after each try."""
        pause = min(timedelta(seconds=2 ** min(waiting.tries, 6)), _LONGEST_PAUSE)
        row = update(OutboxRow).where(OutboxRow.mark == waiting.mark)
        async with self._database.write(in_turn=False) as session:
            await session.execute(
                row.values(
                    tries=OutboxRow.tries + 1,
                    try_at=self._now() + pause,
                    trouble=trouble[:_LONGEST_TROUBLE],
                )
            )

    async def list(self, *, limit: int) -> "list[Waiting]":
        """What waits, in the order in which it was written."""
        async with self._database.read() as session:
            rows = await session.scalars(select(OutboxRow).order_by(OutboxRow.id).limit(limit))
            return [*map(_waiting, rows)]

    async def drop(self, run_id: str) -> bool:
        """Delete a row for good; False when it is not there. No relay may be at work meanwhile."""
        row = delete(OutboxRow).where(OutboxRow.run_id == run_id).returning(OutboxRow.id)
        async with self._database.write(in_turn=False) as session:
            must_last(session)
            return (await session.execute(row)).first() is not None

    async def standing(self) -> Standing:
        """How many wait, since when, and whether any of them is in trouble."""
        in_trouble = OutboxRow.trouble != ""
        troubled = select(func.count()).where(in_trouble)
        first = select(OutboxRow.job, OutboxRow.trouble).where(in_trouble).order_by(OutboxRow.id)
        async with self._database.read() as session:
            count, oldest = (
                await session.execute(select(func.count(), func.min(OutboxRow.written_at)))
            ).one()
            found = await session.scalar(troubled)
            job, trouble = (await session.execute(first.limit(1))).first() or ("", "")
        return Standing(waiting=count, troubled=found or 0, oldest=oldest, job=job, trouble=trouble)

    def _ring_after(self, session: AsyncSession) -> None:
        if self not in session.info:
            session.info[self] = True
            event.listen(session.sync_session, "after_commit", self._ring)

    def _ring(self, _session: object) -> None:
        self._written.set()


def _call_of(job: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call[Any]:
    """The call; anything that is no job is left to the check to refuse."""
    if not _is_call(job):
        return Call(job, args, kwargs)
    if args or kwargs:
        raise BadArguments(f"{job} has its arguments: give it alone, or the job with others")
    return job


def _is_call(job: object) -> TypeGuard[Call[Any]]:
    return isinstance(job, Call)


def _refuse_debounced(run: NewRun, call: Call[Any]) -> None:
    """A later call takes an earlier one's place when it is made, not when a relay brings it."""
    if run.longest_ms:
        raise BadArguments(f"{call.job.name}: debounced calls are enqueued by the client")


def _fields(call: Call[Any], run: NewRun, now: datetime) -> dict[str, Any]:
    return {
        "mark": token_hex(16),
        "run_id": run.id,
        "job": call.job.name,
        "queue": run.queue,
        "run": run.kept(now),
        "written_at": now,
        "tries": 0,
        "try_at": now,
        "trouble": "",
    }


def _waiting(row: OutboxRow) -> Waiting:
    return Waiting(
        mark=row.mark,
        run_id=row.run_id,
        job=row.job,
        queue=row.queue,
        written_at=row.written_at,
        tries=row.tries,
        trouble=row.trouble,
        kept=row.run,
    )
