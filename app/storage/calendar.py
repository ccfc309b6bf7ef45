"""The users' calendars: what their sources said when last read, event by event.

Events are compared with the stored ones and written in the same transaction, a few hundred at a
time, and what was learned of the source comes last. So two syncs at once leave each event once, and
a sync that died half-way is simply done again.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.calendar_event import Changes, SourceState, StoredEvent, StoredOccurrence
from app.storage.calendar_rows import CalendarEventRow, CalendarOccurrenceRow, CalendarSourceRow
from app.storage.clock import Now, utc_now
from app.storage.database import Database

T = TypeVar("T")
Announce = Callable[[AsyncSession, Sequence[StoredEvent]], Awaitable[None]]

_EVENTS = 200  # events a transaction, so that no other writer waits long
_ROWS = 1_000  # rows or ids a statement
_OCCURRENCE_COLUMNS = tuple(each.name for each in fields(StoredOccurrence))
_EVENT_COLUMNS = (*(e.name for e in fields(StoredEvent) if e.name != "occurrences"), "listed")


class Calendars:
    """The calendars in the database."""

    def __init__(self, database: Database, *, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def state(self, user_id: int, source: str) -> SourceState:
        """What the source was like when last read; empty before the first time."""
        async with self._database.read() as session:
            row = await session.scalar(_source(user_id, source))
        if row is None:
            return SourceState()
        return SourceState(
            etag=row.etag, last_modified=row.last_modified, digest=row.digest, view=row.view
        )

    async def put(
        self,
        user_id: int,
        source: str,
        events: Sequence[StoredEvent],
        *,
        announce: Announce | None = None,
    ) -> Changes:
        """Store a source's events where they are new or changed. Call `finish` afterwards.

        `announce` is called with the new ones, in the transaction that stores them. Until `finish`
        the source counts as never read, so that a crash in between is made good.
        """
        source_id = await self._begin(user_id, source)
        changes = Changes()
        for some in _batches(events, _EVENTS):
            async with self._database.write() as session:
                known = await _known(session, source_id, [event.uid for event in some])
                changes += await _merge(session, source_id, some, known)
                new = [event for event in some if event.uid not in known]
                if new and announce:
                    await announce(session, new)
        return changes

    async def finish(
        self, user_id: int, source: str, state: SourceState, *, only: Collection[str] | None
    ) -> int:
        """Note what the source is like now, and delete its events but `only` these UIDs.

        None deletes nothing. Returns how many were deleted.
        """
        async with self._database.write() as session:
            row = (await session.scalars(_source(user_id, source))).one()
            row.etag, row.last_modified = state.etag, state.last_modified
            row.digest, row.view, row.read_at = state.digest, state.view, self._now()
            return 0 if only is None else await _delete_others(session, row.id, only)

    async def count(self, user_id: int, source: str) -> int:
        """How many events of this source are stored."""
        of_source = _source(user_id, source).with_only_columns(CalendarSourceRow.id)
        counted = select(func.count()).where(CalendarEventRow.source_id.in_(of_source))
        async with self._database.read() as session:
            return (await session.scalars(counted)).one()

    async def drop_others(self, user_id: int, sources: Collection[str]) -> int:
        """Forget the user's sources but these, events and all; returns how many events went."""
        gone = select(CalendarSourceRow.id).where(
            CalendarSourceRow.user_id == user_id, CalendarSourceRow.name.not_in(sources)
        )
        events = CalendarEventRow.source_id.in_(gone)
        async with self._database.write() as session:
            count = (await session.scalars(select(func.count()).where(events))).one()
            await session.execute(delete(CalendarSourceRow).where(CalendarSourceRow.id.in_(gone)))
            return count

    async def between(
        self, user_id: int, start: datetime, end: datetime
    ) -> tuple[StoredOccurrence, ...]:
        """What is in the user's calendars from `start` to before `end`, the earliest first."""
        return tuple(each for _, each in await self.named_between(user_id, start, end))

    async def named_between(
        self, user_id: int, start: datetime, end: datetime
    ) -> tuple[tuple[str, StoredOccurrence], ...]:
        """The same, each with the UID of its event."""
        row = CalendarOccurrenceRow
        wanted = (
            select(CalendarEventRow.uid, row)
            .join(CalendarEventRow, CalendarEventRow.id == row.event_id)
            .join(CalendarSourceRow, CalendarSourceRow.id == CalendarEventRow.source_id)
            .where(CalendarSourceRow.user_id == user_id, row.starts_at < end)
            .where(or_(row.ends_at > start, row.starts_at == start))  # some last no time at all
            .order_by(row.starts_at, row.title)
        )
        async with self._database.read() as session:
            found = await session.execute(wanted)
            return tuple((uid, _occurrence(occurrence)) for uid, occurrence in found)

    async def _begin(self, user_id: int, source: str) -> int:
        unread: dict[str, Any] = {"etag": "", "last_modified": "", "digest": "", "view": ""}
        async with self._database.write() as session:
            row = await session.scalar(_source(user_id, source))
            if row is None:
                row = CalendarSourceRow(user_id=user_id, name=source)
                session.add(row)
            for name, value in unread.items():
                setattr(row, name, value)
            row.read_at = self._now()
            await session.flush()
            return row.id


async def _merge(
    session: AsyncSession,
    source_id: int,
    events: Sequence[StoredEvent],
    known: Mapping[str, CalendarEventRow],
) -> Changes:
    new = [event for event in events if event.uid not in known]
    changed = [
        each for each in events if each.uid in known and known[each.uid].digest != each.digest
    ]
    moved = [each for each in events if each.uid in known and known[each.uid].listed != each.listed]
    ids = {uid: row.id for uid, row in known.items()}
    ids |= await _insert(session, source_id, new)
    touched = {each.uid: each for each in (*changed, *moved)}.values()
    if touched:
        rows = [{"id": ids[each.uid], **_columns(each)} for each in touched]
        await session.execute(update(CalendarEventRow), rows)
    await _replace_occurrences(session, [(ids[each.uid], each) for each in (*new, *moved)])
    unchanged = len(events) - len(new) - len(changed)
    return Changes(new=len(new), updated=len(changed), unchanged=unchanged)


async def _known(
    session: AsyncSession, source_id: int, uids: Collection[str]
) -> dict[str, CalendarEventRow]:
    row = CalendarEventRow
    wanted = select(row).where(row.source_id == source_id, row.uid.in_(uids))
    return {each.uid: each for each in await session.scalars(wanted)}


async def _insert(
    session: AsyncSession, source_id: int, events: Sequence[StoredEvent]
) -> dict[str, int]:
    if not events:
        return {}
    statement = insert(CalendarEventRow).returning(CalendarEventRow.uid, CalendarEventRow.id)
    rows = [{"source_id": source_id, **_columns(each)} for each in events]
    return {row.uid: row.id for row in await session.execute(statement, rows)}


async def _replace_occurrences(
    session: AsyncSession, events: Sequence[tuple[int, StoredEvent]]
) -> None:
    row = CalendarOccurrenceRow
    ids = [id for id, _ in events]
    await session.execute(delete(row).where(row.event_id.in_(ids)))
    occurrences = [
        {"event_id": id} | {name: getattr(each, name) for name in _OCCURRENCE_COLUMNS}
        for id, event in events
        for each in event.occurrences
    ]
    for some in _batches(occurrences, _ROWS):
        await session.execute(insert(row), some)


async def _delete_others(session: AsyncSession, source_id: int, only: Collection[str]) -> int:
    row = CalendarEventRow
    stored = await session.execute(select(row.id, row.uid).where(row.source_id == source_id))
    gone = [id for id, uid in stored if uid not in only]
    for some in _batches(gone, _ROWS):
        await session.execute(delete(row).where(row.id.in_(some)))
    return len(gone)


def _source(user_id: int, name: str) -> Select[CalendarSourceRow]:
    return select(CalendarSourceRow).filter_by(user_id=user_id, name=name)


def _columns(event: StoredEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _EVENT_COLUMNS}


def _occurrence(row: CalendarOccurrenceRow) -> StoredOccurrence:
    return StoredOccurrence(**{name: getattr(row, name) for name in _OCCURRENCE_COLUMNS})


def _batches(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
