"""Brings the stored events of a user up to date with their calendars.

For each source: ask for what is new, read it within limits, compare, store. A source that can't be
read deletes nothing; nor does a file that was cut off. An event that can't be read stays as it was.
Only what was understood in full is remembered as read: anything else is read, and reported, again.

Once a day, when the days in view have moved on, everything is read anew: the events count as
unchanged, but series get their occurrences of the new last day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio

from app.services.calendar.guide import guide
from app.services.calendar.source import (
    CalendarError,
    CalendarSource,
    Outward,
    Snapshot,
    Unchanged,
)
from app.services.calendar.synced import CalendarSynced, unread
from app.services.ics.event import USUAL, Event, Limits, View, quoted
from app.services.ics.reader import Reader, Reading
from app.services.rests import Rest
from app.services.step import Step
from app.storage.calendar import Announce, Calendars
from app.storage.calendar_event import SourceState, StoredEvent, StoredOccurrence
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.sync_history import SyncCounts, SyncHistory, SyncOutcome
from app.storage.users import User

_Answer = Snapshot | Unchanged | CalendarError
_AT_ONCE = 4  # sources: each may take half a minute, and hold ten megabytes


class CalendarSync:
    """Reads the users' calendars into the database."""

    def __init__(
        self,
        database: Database,
        sources: Mapping[int, Sequence[CalendarSource]],
        *,
        rests: Sequence[Rest] = (),
        limits: Limits = USUAL,
        now: Now = utc_now,
    ) -> None:
        """`sources` are each user's, by the user's id; `rests` those of the accounts among them."""
        self._calendars = Calendars(database, now=now)
        self._history = SyncHistory(database, "calendar", now=now)
        self._sources = sources
        self._rests = rests
        self._reader = Reader(limits)
        self._now = now

    async def sync(
        self, user: User, *, announce: Announce | None = None, removals: str = ""
    ) -> CalendarSynced:
        """Read all of a user's sources. Safe to repeat: the second time nothing changes.

        `removals` is the mark of what is suddenly gone from an account or its folder and is to be.
        `announce` is told of new events, but of none from a source that is read the first time.
        Never raises for a source that fails: see `CalendarSynced.raise_if_all_failed`.
        """
        number = await self._history.begin("all", user_id=user.id)
        synced = await self._sync(user, announce, removals)
        await self._history.end(number, _outcome(synced), _counts(synced), synced.errors)
        return synced

    async def _sync(self, user: User, announce: Announce | None, removals: str) -> CalendarSynced:
        sources = self._sources.get(user.id, ())
        view = View.around(self._now(), zone=user.timezone)
        gone = await self._calendars.drop_others(user.id, [each.name for each in sources])
        total = CalendarSynced(deleted=gone)
        answers = await self._ask(user, sources, view, removals)
        for source, answer in zip(sources, answers, strict=True):
            total += await self._take(user, source, answer, view, announce)
        return total.shortened()

    async def guide(self, user: User) -> tuple[Step, ...]:
        """Try all of a user's sources, storing nothing, and say what to do next."""
        return await guide(self._sources.get(user.id, ()))

    async def try_accounts(self) -> None:
        """Ask everybody's accounts and feeds, storing no event. Raises the first `CalendarError`.

        Folders of the home are no accounts. While one is to be left alone, nobody is asked, and it
        raises `PlainTrouble`.
        """
        for rest in self._rests:
            await rest.refuse_if_resting()
        accounts = [e for sources in self._sources.values() for e in sources if e.is_account]
        errors, turns = list[CalendarError](), anyio.Semaphore(_AT_ONCE)

        async def try_one(source: CalendarSource) -> None:
            async with turns:
                try:
                    await source.check()
                except CalendarError as error:
                    errors.append(error)

        async with anyio.create_task_group() as group:
            for each in accounts:
                group.start_soon(try_one, each)
        if errors:
            raise errors[0]

    async def _ask(
        self, user: User, sources: Sequence[CalendarSource], view: View, removals: str
    ) -> list[_Answer]:
        """What each source says, some of them asked at a time: a slow one holds up no other."""
        answers: list[_Answer] = [Unchanged()] * len(sources)
        turns = anyio.Semaphore(_AT_ONCE)

        async def ask(position: int, source: CalendarSource) -> None:
            known = await self._calendars.state(user.id, source.name)
            async with turns:
                try:
                    fresh = known if known.view == str(view) else None
                    answers[position] = await source.read(fresh, removals=removals)
                except CalendarError as error:
                    answers[position] = error

        async with anyio.create_task_group() as group:
            for position, source in enumerate(sources):
                group.start_soon(ask, position, source)
        return answers

    async def _take(
        self,
        user: User,
        source: CalendarSource,
        answer: _Answer,
        view: View,
        announce: Announce | None,
    ) -> CalendarSynced:
        known = await self._calendars.count(user.id, source.name)
        match answer:
            case CalendarError():
                return unread(source, answer)
            case Unchanged():
                read = CalendarSynced(unchanged=known)
            case Snapshot():
                reading = await self._reader.read(answer.files, view)
                reading.problems += answer.problems
                state = replace(answer.state, view=str(view))
                tell = announce if known else None
                read = await self._store(user, source, reading, state, tell)
        is_some = source.is_account or known > 0 or not answer.is_empty
        read = replace(read, sources=int(is_some))
        return read + _sent(source, answer.outward)

    async def _store(
        self,
        user: User,
        source: CalendarSource,
        reading: Reading,
        state: SourceState,
        announce: Announce | None,
    ) -> CalendarSynced:
        events = [_stored(event) for event in reading.events.values()]
        changes = await self._calendars.put(user.id, source.name, events, announce=announce)
        only = {*reading.events, *(bad.uid for bad in reading.refused)}
        deleted = await self._calendars.finish(
            user.id,
            source.name,
            SourceState() if reading.refused or reading.problems else state,
            only=None if reading.problems else only,
        )
        result = CalendarSynced(
            new=changes.new,
            updated=changes.updated,
            deleted=deleted,
            unchanged=changes.unchanged,
            conflicts=reading.conflicts,
            failed=len(reading.refused),
        )
        return result.with_errors(f"{source.label}: {each}" for each in _complaints(reading))


def _complaints(reading: Reading) -> list[str]:
    return [
        *reading.problems,
        *(f"the event {quoted(bad.uid)}: {bad.reason}" for bad in reading.refused),
    ]


def _sent(source: CalendarSource, outward: Outward) -> CalendarSynced:
    sent = CalendarSynced(sent=outward.sent, conflicts=outward.conflicts, failed=outward.failed)
    held = {mark: f"{source.label}: {words}" for mark, words in outward.held.items()}
    return sent.with_errors(f"{source.label}: {each}" for each in outward.errors).with_held(held)


def _outcome(synced: CalendarSynced) -> SyncOutcome:
    if synced.sources and synced.sources == synced.sources_failed:
        return SyncOutcome.FAILED
    return SyncOutcome(synced.status)


def _counts(synced: CalendarSynced) -> SyncCounts:
    return SyncCounts(
        new=synced.new,
        updated=synced.updated,
        deleted=synced.deleted,
        unchanged=synced.unchanged,
        sent=synced.sent,
        conflicts=synced.conflicts,
        failed=synced.failed,
    )


def _stored(event: Event) -> StoredEvent:
    return StoredEvent(
        uid=event.uid,
        title=event.title,
        place=event.place,
        notes=event.notes,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        all_day=event.all_day,
        zone=event.zone,
        rule=event.rule,
        is_cancelled=event.is_cancelled,
        sequence=event.revision[0],
        digest=event.digest,
        occurrences=tuple(
            StoredOccurrence(
                starts_at=each.starts_at,
                ends_at=each.ends_at,
                all_day=each.all_day,
                title=each.title,
                place=each.place,
            )
            for each in event.occurrences
        ),
    )
