"""Effects on the world outside: begun, done, in doubt. The engine decides, and this is its ledger.

A row stays as long as somebody says that its run, or the run's dead letter, is still there, and for
a while after. One in doubt stays until a person has settled it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import BigInteger, LargeBinary, String, delete, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.engine import Effect, EffectState, Place, is_same
from app.storage.base import Base, UtcDateTime
from app.storage.clock import Now, utc_now
from app.storage.database import Database, must_last
from app.storage.dialect import insert_into

KEPT: Final = timedelta(days=7)
"""How long after its run or the dead letter is gone: a replay has new ids, and that much time."""
_LOOK = timedelta(days=1)  # between two looks whether a run is still there


class EffectRow(Base):
    """An effect as the database keeps it."""

    __tablename__ = "effects"

    key: Mapped[str] = mapped_column(String(800), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(200), index=True)
    origin: Mapped[str] = mapped_column(String(400))
    name: Mapped[str] = mapped_column(String(400))
    is_shared: Mapped[bool]
    state: Mapped[EffectState] = mapped_column(index=True)
    by: Mapped[str] = mapped_column(String(40))
    job: Mapped[str] = mapped_column(String(200))
    attempt: Mapped[int]
    worker: Mapped[str] = mapped_column(String(200))
    since_ms: Mapped[int] = mapped_column(BigInteger)
    asks: Mapped[bool]
    result: Mapped[bytes] = mapped_column(LargeBinary)
    alive_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    """When its run was last known to be there."""


_ASKING: Final = (EffectRow.state == EffectState.BEGUN) & EffectRow.asks


class Effects:
    """The effects in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    @property
    def knows_leases(self) -> bool:
        """They are in Redis: it is asked before."""
        return False

    async def swap(
        self, place: Place, known: Effect | None, then: Effect | None, *, lease: str
    ) -> Effect | None:
        """Compare and replace, in one transaction; `OSError` when the database can't be written."""
        del lease
        try:
            async with self._database.write(in_turn=False) as session:
                must_last(session)  # else a power cut could have it happen again
                row = await session.get(EffectRow, place.key, with_for_update=True)
                found = _effect(row) if row else None
                if not is_same(found, known):
                    return found
                if row is not None:
                    await self._replace(session, row, then)
                elif then is not None and not await self._insert(session, then):
                    return _effect(await session.get_one(EffectRow, place.key))
        except OperationalError as error:
            raise OSError("the database can't be written now") from error
        return then

    async def _replace(self, session: AsyncSession, row: EffectRow, then: Effect | None) -> None:
        """Change the row itself: who waits for it would not see another one in its place."""
        if then is None:
            await session.delete(row)
            return
        for name, value in self._values(then).items():
            setattr(row, name, value)

    async def _insert(self, session: AsyncSession, effect: Effect) -> bool:
        """Write its row; False when somebody else has written one since it was looked for."""
        row = insert_into(session, EffectRow).values(key=effect.place.key, **self._values(effect))
        written = row.on_conflict_do_nothing().returning(EffectRow.key)
        return await session.scalar(written) is not None

    def _values(self, effect: Effect) -> dict[str, Any]:
        place = effect.place
        return {
            "run_id": place.run_id,
            "origin": place.origin,
            "name": place.name,
            "is_shared": place.is_shared,
            "state": effect.state,
            "by": effect.by,
            "job": effect.job,
            "attempt": effect.attempt,
            "worker": effect.worker,
            "since_ms": effect.since,
            "asks": effect.asks,
            "result": effect.result,
            "alive_at": self._now(),
        }

    async def in_doubt(self, *, limit: int = 100) -> Sequence[Effect]:
        """Those that wait for a person, the oldest first."""
        oldest = select(EffectRow).filter_by(state=EffectState.IN_DOUBT)
        oldest = oldest.order_by(EffectRow.since_ms).limit(limit)
        async with self._database.read() as session:
            return tuple(map(_effect, await session.scalars(oldest)))

    async def of_run(self, run_id: str) -> Sequence[Effect]:
        """All that is known of one run's, however they stand."""
        rows = select(EffectRow).filter_by(run_id=run_id).order_by(EffectRow.since_ms)
        async with self._database.read() as session:
            return tuple(map(_effect, await session.scalars(rows)))

    async def count_in_doubt(self) -> int:
        """How many wait for a person."""
        count = select(func.count()).where(EffectRow.state == EffectState.IN_DOUBT)
        async with self._database.read() as session:
            return await session.scalar(count) or 0

    async def begun(self) -> Sequence[Effect]:
        """Those that ask, and are under way now, or were when their run died with its worker."""
        async with self._database.read() as session:
            return tuple(map(_effect, await session.scalars(select(EffectRow).where(_ASKING))))

    async def doubt(self, effect: Effect) -> None:
        """Leave it to a person, unless somebody has said meanwhile how it went."""
        then = replace(effect, state=EffectState.IN_DOUBT)
        await self.swap(effect.place, effect, then, lease="")

    async def runs(self, *, after: str, limit: int = 500) -> Sequence[str]:
        """The ids of some runs with effects, in their order, from the one after `after` on."""
        late = self._now() - _LOOK
        ids = select(EffectRow.run_id).where(EffectRow.alive_at < late, EffectRow.run_id > after)
        async with self._database.read() as session:
            found = await session.scalars(ids.distinct().order_by(EffectRow.run_id).limit(limit))
            return tuple(found)

    async def seen(self, run_ids: Iterable[str]) -> None:
        """These runs, or their dead letters, are there now."""
        there = update(EffectRow).where(EffectRow.run_id.in_([*run_ids]))
        async with self._database.write(in_turn=False) as session:
            await session.execute(there.values(alive_at=self._now()))

    async def forget(self, run_ids: Iterable[str], *, dry_run: bool = False) -> int:
        """Remove these runs' effects that are old and not, nor to be, in doubt; returns how many.

        Old are those whose run was not seen for long. A dry run only counts them.
        """
        row = EffectRow
        doubtful = (row.state == EffectState.IN_DOUBT) | _ASKING
        old = row.run_id.in_([*run_ids]) & (row.alive_at < self._now() - _LOOK - KEPT) & ~doubtful
        if dry_run:
            async with self._database.read() as session:
                return await session.scalar(select(func.count(row.key)).where(old)) or 0
        async with self._database.write(in_turn=False) as session:
            return len((await session.scalars(delete(row).where(old).returning(row.key))).all())


def _effect(row: EffectRow) -> Effect:
    place = Place(run_id=row.run_id, origin=row.origin, name=row.name, is_shared=row.is_shared)
    return Effect(
        place=place,
        state=row.state,
        by=row.by,
        job=row.job,
        attempt=row.attempt,
        worker=row.worker,
        since=row.since_ms,
        asks=row.asks,
        result=row.result,
    )
