from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from app.services.calendar import (
    CalendarSource,
    CalendarSync,
    CalendarSynced,
    FeedCalendar,
    FolderCalendar,
    MemoryCalendar,
    Snapshot,
    SourceRefused,
    SourceUnavailable,
    SyncStatus,
    Unchanged,
)
from app.storage.calendar import Calendars
from app.storage.calendar_event import SourceState, StoredOccurrence
from app.storage.database import Database
from app.storage.users import User, Users
from tests.services.ics.texts import NOW, calendar, event
from tests.services.website import Request, reply, website

WALK = event("walk", "DTSTART;TZID=Europe/Berlin:20261201T100000", "RRULE:FREQ=WEEKLY;COUNT=3")
DENTIST = event("dentist", "DTSTART:20261202T100000Z", "DTEND:20261202T110000Z")
BAD = event("bad", "SUMMARY:when?")


class Now:
    """The time of a test, which it moves itself."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
async def ann(database: Database) -> User:
    return await Users(database).add(
        name="Ann", address="ann@example.org", timezone="Europe/Berlin"
    )


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def source() -> MemoryCalendar:
    return MemoryCalendar({"home.ics": calendar(WALK, DENTIST)})


@pytest.fixture
def sync(database: Database, ann: User, source: MemoryCalendar, now: Now) -> CalendarSync:
    return CalendarSync(database, {ann.id: [source]}, now=now)


def counts(synced: CalendarSynced) -> tuple[int, int, int, int]:
    return synced.new, synced.updated, synced.deleted, synced.unchanged


async def agenda(database: Database, user: User, days: int = 30) -> tuple[StoredOccurrence, ...]:
    return await Calendars(database).between(user.id, NOW, NOW + timedelta(days=days))


async def test_new_events_are_stored_with_their_occurrences(
    sync: CalendarSync, database: Database, ann: User
) -> None:
    synced = await sync.sync(ann)

    assert counts(synced) == (2, 0, 0, 0)
    assert synced.status is SyncStatus.SUCCESS
    assert [
        (each.title, f"{each.starts_at:%m-%d %H:%M}") for each in await agenda(database, ann)
    ] == [
        ("walk", "12-01 09:00"),
        ("dentist", "12-02 10:00"),
        ("walk", "12-08 09:00"),
        ("walk", "12-15 09:00"),
    ]


async def test_a_second_sync_changes_nothing(
    sync: CalendarSync, database: Database, ann: User
) -> None:
    await sync.sync(ann)
    before = await agenda(database, ann)

    assert counts(await sync.sync(ann)) == (0, 0, 0, 2)
    assert await agenda(database, ann) == before


async def test_new_updated_and_deleted_events_are_counted(
    sync: CalendarSync, source: MemoryCalendar, database: Database, ann: User
) -> None:
    await sync.sync(ann)
    moved = WALK.replace("T100000", "T180000")
    source.files["home.ics"] = calendar(moved, event("party", "DTSTART:20261205T200000Z"))

    assert counts(await sync.sync(ann)) == (1, 1, 1, 0)
    assert [each.title for each in await agenda(database, ann, days=13)] == ["walk", "party"]
    assert (await agenda(database, ann))[0].starts_at == datetime(2026, 12, 1, 17, 0, tzinfo=UTC)


async def test_a_new_download_time_changes_nothing(
    sync: CalendarSync, source: MemoryCalendar, ann: User
) -> None:
    await sync.sync(ann)
    source.files["home.ics"] = calendar(
        WALK.replace("SUMMARY", "DTSTAMP:20261123T120000Z\r\nSEQUENCE:4\r\nSUMMARY"), DENTIST
    )

    assert counts(await sync.sync(ann)) == (0, 0, 0, 2)


async def test_a_bad_event_is_reported_each_time_and_the_others_are_stored(
    sync: CalendarSync, source: MemoryCalendar, ann: User
) -> None:
    source.files["home.ics"] = calendar(BAD, WALK)

    first, second = await sync.sync(ann), await sync.sync(ann)

    assert (counts(first), counts(second)) == ((1, 0, 0, 0), (0, 0, 0, 1))
    for synced in (first, second):
        assert synced.status is SyncStatus.PARTIAL_SUCCESS
        assert synced.failed == 1
        assert synced.errors == ("the calendar memory: the event 'bad': it has no DTSTART",)


async def test_an_event_that_becomes_unreadable_stays_as_it_was(
    sync: CalendarSync, source: MemoryCalendar, database: Database, ann: User
) -> None:
    await sync.sync(ann)
    source.files["home.ics"] = calendar(WALK, event("dentist", "SUMMARY:when?"))

    assert counts(await sync.sync(ann)) == (0, 0, 0, 1)
    assert "dentist" in {each.title for each in await agenda(database, ann)}


async def test_a_source_that_fails_deletes_nothing(
    sync: CalendarSync, source: MemoryCalendar, database: Database, ann: User
) -> None:
    await sync.sync(ann)
    source.error = SourceUnavailable("no network")

    synced = await sync.sync(ann)

    assert counts(synced) == (0, 0, 0, 0)
    assert (synced.sources, synced.sources_failed) == (1, 1)
    assert len(await agenda(database, ann)) == 4


@pytest.mark.parametrize("text", [calendar(WALK)[:-20], "half a fi", ""])
async def test_a_file_that_was_cut_off_deletes_nothing(
    sync: CalendarSync, source: MemoryCalendar, database: Database, ann: User, text: str
) -> None:
    await sync.sync(ann)
    source.files["home.ics"] = text

    synced = await sync.sync(ann)

    assert synced.deleted == 0
    assert synced.status is SyncStatus.PARTIAL_SUCCESS
    assert len(await agenda(database, ann)) == 4


async def test_an_empty_calendar_deletes_everything(
    sync: CalendarSync, source: MemoryCalendar, ann: User
) -> None:
    await sync.sync(ann)
    source.files["home.ics"] = calendar()

    assert counts(await sync.sync(ann)) == (0, 0, 2, 0)


async def test_the_events_of_a_source_that_was_removed_go_with_it(
    sync: CalendarSync, database: Database, ann: User
) -> None:
    await sync.sync(ann)

    synced = await CalendarSync(database, {}).sync(ann)

    assert counts(synced) == (0, 0, 2, 0)
    assert await agenda(database, ann) == ()


async def test_one_bad_source_does_not_stop_the_others(
    database: Database, ann: User, source: MemoryCalendar, now: Now
) -> None:
    broken = MemoryCalendar(name="broken")
    broken.error = SourceRefused("wrong password")
    sync = CalendarSync(database, {ann.id: [broken, source]}, now=now)

    synced = await sync.sync(ann)

    assert counts(synced) == (2, 0, 0, 0)
    assert synced.status is SyncStatus.PARTIAL_SUCCESS
    assert synced.errors == ("the calendar broken: wrong password",)
    synced.raise_if_all_failed()


async def test_when_every_source_fails_it_is_a_failure(
    sync: CalendarSync, source: MemoryCalendar, ann: User
) -> None:
    source.error = SourceUnavailable("busy", retry_after=timedelta(minutes=7))

    with pytest.raises(SourceUnavailable, match="busy") as caught:
        (await sync.sync(ann)).raise_if_all_failed()

    assert caught.value.retry_after == timedelta(minutes=7)


async def test_when_every_source_refuses_no_retry_is_worth_it(
    sync: CalendarSync, source: MemoryCalendar, ann: User
) -> None:
    source.error = SourceRefused("wrong password")

    with pytest.raises(PermissionError):
        (await sync.sync(ann)).raise_if_all_failed()


async def test_without_any_source_there_is_nothing_to_fail(database: Database, ann: User) -> None:
    synced = await CalendarSync(database, {}).sync(ann)

    synced.raise_if_all_failed()
    assert synced == CalendarSynced(status=SyncStatus.NOT_CONFIGURED)


async def test_the_same_event_in_two_sources_is_two_events(
    database: Database, ann: User, now: Now
) -> None:
    sources = [MemoryCalendar({"a.ics": calendar(DENTIST)}, name=name) for name in ("home", "work")]

    synced = await CalendarSync(database, {ann.id: sources}, now=now).sync(ann)

    assert synced.new == 2


async def test_two_versions_of_an_event_are_a_conflict_that_the_newer_wins(
    sync: CalendarSync, source: MemoryCalendar, database: Database, ann: User
) -> None:
    newer = DENTIST.replace("SUMMARY:dentist", "SUMMARY:dentist, moved\r\nSEQUENCE:1")
    source.files = {"a.ics": calendar(newer), "b.ics": calendar(DENTIST)}

    synced = await sync.sync(ann)

    assert (synced.new, synced.conflicts) == (1, 1)
    assert [each.title for each in await agenda(database, ann)] == ["dentist, moved"]


async def test_each_day_the_series_reach_a_day_further(
    sync: CalendarSync, source: MemoryCalendar, database: Database, ann: User, now: Now
) -> None:
    source.files["home.ics"] = calendar(event("daily", "DTSTART:20260101", "RRULE:FREQ=DAILY"))
    await sync.sync(ann)
    before = await agenda(database, ann, days=500)
    now.time += timedelta(days=10)

    assert counts(await sync.sync(ann)) == (0, 0, 0, 1)
    assert len(await agenda(database, ann, days=500)) == len(before) + 10


async def test_a_user_who_moves_gets_their_times_moved(
    sync: CalendarSync, source: MemoryCalendar, database: Database, ann: User
) -> None:
    source.files["home.ics"] = calendar(event("a", "DTSTART:20261201T100000"))
    await sync.sync(ann)

    await sync.sync(replace(ann, timezone="America/New_York"))

    assert [each.starts_at.hour for each in await agenda(database, ann)] == [15]


async def test_a_user_sees_only_their_own_calendars(
    sync: CalendarSync, database: Database, ann: User
) -> None:
    bob = await Users(database).add(name="Bob", address="bob@example.org")
    await sync.sync(ann)

    assert await agenda(database, bob) == ()
    assert (await sync.sync(bob)).sources == 0
    assert len(await agenda(database, ann)) == 4


async def test_a_calendar_of_thousands_is_stored(
    sync: CalendarSync, source: MemoryCalendar, ann: User
) -> None:
    many = [event(f"e{n}", "DTSTART:20261201T100000Z") for n in range(1_100)]
    source.files["home.ics"] = calendar(*many)

    assert counts(await sync.sync(ann)) == (1_100, 0, 0, 0)
    source.files["home.ics"] = calendar(*many[1:])
    assert counts(await sync.sync(ann)) == (0, 0, 1, 1_099)


async def test_many_errors_are_counted_and_some_are_told(
    sync: CalendarSync, source: MemoryCalendar, ann: User
) -> None:
    bad = [event(f"bad{n}\x1b[31m", "SUMMARY:when?") for n in range(100)]
    source.files["home.ics"] = calendar(*bad)

    synced = await sync.sync(ann)

    assert synced.failed == 100
    assert len(synced.errors) == 21
    assert synced.errors[-1] == "and 80 more"
    assert all(each.isprintable() for each in synced.errors)


async def test_a_folder_and_a_feed_are_read_together(
    database: Database, ann: User, now: Now, tmp_path: Path
) -> None:
    (tmp_path / "home.ics").write_text(calendar(WALK))

    async def feed(request: Request, stream: SocketStream) -> None:
        known = request.headers.get("if-none-match") == '"1"'
        say = reply(status=304) if known else reply(calendar(DENTIST).encode(), ETag='"1"')
        await say(request, stream)

    async with website(feed) as site:
        sources: list[CalendarSource] = [FolderCalendar(tmp_path), FeedCalendar(site.url)]
        sync = CalendarSync(database, {ann.id: sources}, now=now)

        assert counts(await sync.sync(ann)) == (2, 0, 0, 0)
        assert counts(await sync.sync(ann)) == (0, 0, 0, 2)

    assert "if-none-match" in site.requests[1].headers


async def test_a_guide_tries_the_sources_and_stores_nothing(
    sync: CalendarSync, database: Database, ann: User
) -> None:
    tried, everything = await sync.guide(ann)

    assert (tried.tried, tried.is_well) == ("read the calendar memory", True)
    assert tried.said == "the calendar memory can be read (1 files)"
    assert "steward enqueue sync.sync_calendar_events" in everything.advice
    assert await Calendars(database).count(ann.id, "memory") == 0


async def test_a_guide_names_the_setting_to_change_and_tries_the_others(
    database: Database, ann: User, source: MemoryCalendar
) -> None:
    async with website(reply(status=404)) as site:
        sync = CalendarSync(database, {ann.id: [FeedCalendar(site.url), source]})

        failed, well = await sync.guide(ann)

    assert (failed.is_well, well.is_well) == (False, True)
    assert "check STEWARD_CALENDAR__FEEDS" in failed.said
    assert failed.advice.startswith("next: ")


async def test_a_guide_says_how_to_set_up_an_account(
    database: Database, ann: User, tmp_path: Path
) -> None:
    _, nobody = await CalendarSync(database, {ann.id: [FolderCalendar(tmp_path)]}).guide(ann)

    assert (nobody.said, nobody.is_well) == ("none is configured", True)
    assert "STEWARD_CALENDAR__CALDAV__URL" in nobody.advice


async def test_sources_are_asked_at_the_same_time(database: Database, ann: User, now: Now) -> None:
    everybody_asks = anyio.Event()
    asked: list[str] = []

    class Patient(MemoryCalendar):
        async def read(
            self, known: SourceState | None, *, removals: str = ""
        ) -> Snapshot | Unchanged:
            asked.append(self.name)
            if len(asked) == 3:
                everybody_asks.set()
            await everybody_asks.wait()
            return await super().read(known, removals=removals)

    sources = [Patient({"a.ics": calendar(DENTIST)}, name=name) for name in "abc"]

    with anyio.fail_after(5):
        synced = await CalendarSync(database, {ann.id: sources}, now=now).sync(ann)

    assert synced.new == 3
