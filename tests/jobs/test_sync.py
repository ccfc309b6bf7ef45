from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.context import Context
from app.engine import Fixed, Job, hours, minutes
from app.engine.retry import is_permanent, retry_after
from app.jobs.sync import (
    sync_calendar_events,
    sync_email_services,
    sync_notion_pages,
    sync_user_preferences,
)
from app.queues import SYNC
from app.services.calendar import (
    CalendarSync,
    MemoryCalendar,
    SourceRefused,
    SourceUnavailable,
    SyncStatus,
)
from app.services.calendar.source import CalendarError
from app.services.notes import NotesStatus, NotesSync
from app.services.notes.notes import notion_account
from app.services.preferences import PreferencesStatus, PreferencesSynced
from app.storage.calendar import Calendars
from app.storage.notifications import Notices
from app.storage.sync_history import SyncCounts, SyncHistory, SyncOutcome
from app.storage.users import User
from app.timetable import TIMETABLE
from tests.notion import DATABASE, TOKEN, notion

EVENT = "BEGIN:VEVENT\nUID:{uid}\nDTSTART:{start:%Y%m%dT%H%M%SZ}\nSUMMARY:{uid}\nEND:VEVENT\n"


def texts(context: Context, *uids: str) -> str:
    soon = context.client.store.clock.now() + hours(2)
    events = "".join(EVENT.format(uid=uid, start=soon) for uid in uids)
    return f"BEGIN:VCALENDAR\n{events}END:VCALENDAR\n"


async def titles(context: Context) -> list[str]:
    now = context.client.store.clock.now()
    owner = await context.users.owner()
    found = await Calendars(context.database).between(owner.id, now, now + hours(24))
    return [each.title for each in found]


async def test_the_owners_events_are_stored_and_counted(
    context: Context, calendar: MemoryCalendar
) -> None:
    calendar.files["home.ics"] = texts(context, "dentist", "walk")

    synced = await sync_calendar_events(context)

    assert (synced.new, synced.sources, synced.status) == (2, 1, SyncStatus.SUCCESS)
    assert await titles(context) == ["dentist", "walk"]


async def test_a_repeat_changes_nothing(context: Context, calendar: MemoryCalendar) -> None:
    calendar.files["home.ics"] = texts(context, "dentist")
    await sync_calendar_events(context)

    synced = await sync_calendar_events(context)

    assert (synced.new, synced.updated, synced.deleted, synced.unchanged) == (0, 0, 0, 1)


async def test_bad_events_make_a_partial_success(
    context: Context, calendar: MemoryCalendar
) -> None:
    bad = "BEGIN:VEVENT\nUID:bad\nEND:VEVENT\nEND:VCALENDAR"
    calendar.files["home.ics"] = texts(context, "dentist").replace("END:VCALENDAR", bad)

    synced = await sync_calendar_events(context)

    assert (synced.status, synced.new, synced.failed) == (SyncStatus.PARTIAL_SUCCESS, 1, 1)
    assert len(synced.errors) == 1


@pytest.mark.parametrize("error", [SourceUnavailable("offline"), SourceRefused("wrong password")])
async def test_a_sync_that_read_nothing_is_no_success(
    context: Context, calendar: MemoryCalendar, error: SourceUnavailable | SourceRefused
) -> None:
    calendar.error = error

    with pytest.raises(type(error), match=str(error)):
        await sync_calendar_events(context)


@pytest.mark.parametrize(
    ("error", "permanent", "wait"),
    [
        (SourceUnavailable("rate limit", retry_after=minutes(7)), False, minutes(7)),
        (SourceUnavailable("no answer in time"), False, None),
        (SourceRefused("wrong password"), True, None),
    ],
)
async def test_an_error_says_whether_and_when_to_try_again_and_costs_no_event(
    context: Context,
    calendar: MemoryCalendar,
    error: CalendarError,
    *,
    permanent: bool,
    wait: timedelta | None,
) -> None:
    calendar.files["home.ics"] = texts(context, "dentist")
    await sync_calendar_events(context)
    calendar.error = error

    with pytest.raises(type(error), match=str(error)) as caught:
        await sync_calendar_events(context)

    assert (is_permanent(caught.value), retry_after(caught.value)) == (permanent, wait)
    assert await titles(context) == ["dentist"]
    calendar.error = None
    assert (await sync_calendar_events(context)).unchanged == 1


@pytest.mark.parametrize(
    ("job", "pause"),
    [
        (sync_calendar_events, 5),
        (sync_email_services, 30),
        (sync_notion_pages, 10),
        (sync_user_preferences, 5),
    ],
    ids=lambda each: each.name if isinstance(each, Job) else "",
)
def test_every_sync_is_tried_four_times_with_no_pause_longer_than_its_interval(
    job: Job[Context, ..., Any], pause: int
) -> None:
    (tick,) = [each for each in TIMETABLE if each.call.job is job]
    first = tick.cron.next_after(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))

    assert (job.queue, job.retry) == (SYNC, Fixed(minutes(pause), attempts=4))
    assert tick.cron.next_after(first) - first >= minutes(pause)


async def test_new_events_are_told_once_but_not_those_of_a_first_sync(
    context: Context, calendar: MemoryCalendar, owner: User
) -> None:
    calendar.files["home.ics"] = texts(context, "dentist")
    await sync_calendar_events(context)
    calendar.files["home.ics"] = texts(context, "dentist", "walk")

    await sync_calendar_events(context)
    await sync_calendar_events(context)

    (notice,) = await Notices(context.database).of(owner.id)
    assert notice.title == "A new event in your calendar"
    assert notice.body.endswith("  walk")


async def test_each_sync_is_in_the_history(context: Context, calendar: MemoryCalendar) -> None:
    calendar.files["home.ics"] = texts(context, "dentist")
    await sync_calendar_events(context)
    calendar.error = SourceUnavailable("offline")
    with pytest.raises(SourceUnavailable):
        await sync_calendar_events(context)

    failed, succeeded = await SyncHistory(context.database, "calendar").latest()

    assert (failed.outcome, failed.errors) == (
        SyncOutcome.FAILED,
        ("the calendar memory: offline",),
    )
    assert (succeeded.outcome, succeeded.counts) == (SyncOutcome.SUCCESS, SyncCounts(new=1))
    assert succeeded.ended_at


async def test_having_no_calendar_is_an_outcome_of_its_own(context: Context) -> None:
    bare = replace(context, calendar=CalendarSync(context.database, {}))

    assert (await sync_calendar_events(bare)).status is SyncStatus.NOT_CONFIGURED


async def test_notes_are_brought_in_step_with_notion(context: Context, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/Cake.md").write_text("lemon\n")
    async with notion() as server:
        server.add("Tea", "green")
        now = context.client.store.clock.now
        account = notion_account(TOKEN, DATABASE, address=server.url, now=now)
        notes = NotesSync(context.database, tmp_path / "notes", account)

        synced = await sync_notion_pages(replace(context, notes=notes))

    assert (synced.status, synced.new, synced.sent_new) == (NotesStatus.SUCCESS, 1, 1)
    assert (tmp_path / "notes" / "Tea.md").read_text() == "green\n"
    assert server.texts() == {"Tea": "green", "Cake": "lemon"}


async def test_an_emptied_folder_of_notes_removes_no_page_until_somebody_says_so(
    context: Context, tmp_path: Path
) -> None:
    async with notion() as server:
        server.add("Tea", "green")
        server.add("Plan", "x")
        now = context.client.store.clock.now
        account = notion_account(TOKEN, DATABASE, address=server.url, now=now)
        notes = NotesSync(context.database, tmp_path / "notes", account)
        ctx = replace(context, notes=notes)
        await sync_notion_pages(ctx)
        for name in ("Tea.md", "Plan.md"):
            (tmp_path / "notes" / name).unlink()

        held = await sync_notion_pages(ctx)

        assert (held.status, held.sent_deleted) == (NotesStatus.PARTIAL_SUCCESS, 0)
        assert server.texts() == {"Tea": "green", "Plan": "x"}
        word = "`steward enqueue sync.sync_notion_pages removals="
        mark = held.errors[0].partition(word)[2].partition("`")[0]
        again = await sync_notion_pages(ctx)
        assert held.held == again.held == {mark: held.errors[0]}
        told = await Notices(context.database).of((await context.users.owner()).id)
        assert [each.body for each in told] == [held.errors[0]]
        assert told[0].title == "Your notes are not synced: one side suddenly lost most of them"
        assert (await sync_notion_pages(ctx, removals=mark)).sent_deleted == 2
        assert server.texts() == {}


async def test_a_folder_that_is_away_for_the_second_time_is_told_again(
    context: Context, tmp_path: Path
) -> None:
    async with notion() as server:
        server.add("Tea", "green")
        now = context.client.store.clock.now
        account = notion_account(TOKEN, DATABASE, address=server.url, now=now)
        ctx = replace(context, notes=NotesSync(context.database, tmp_path / "notes", account))
        await sync_notion_pages(ctx)
        note, disk = tmp_path / "notes" / "Tea.md", tmp_path / "disk"
        owner = await context.users.owner()

        for times in (1, 2):
            note.rename(disk)
            for _ in range(2):
                await sync_notion_pages(ctx)
            assert len(await Notices(context.database).of(owner.id)) == times
            disk.rename(note)
            assert (await sync_notion_pages(ctx)).held == {}

        assert server.texts() == {"Tea": "green"}


async def test_the_owner_is_told_once_of_a_calendar_that_is_suddenly_empty(
    context: Context, calendar: MemoryCalendar, owner: User
) -> None:
    calendar.held = {"1a2b3c4d": "Work: `do this` or that"}

    first, second = await sync_calendar_events(context), await sync_calendar_events(context)

    words = f"{calendar.label}: Work: `do this` or that"
    assert first.held == second.held == {"1a2b3c4d": words}
    (told,) = await Notices(context.database).of(owner.id)
    assert (told.title, told.body) == (
        "A calendar is not synced: one side suddenly lost most of it",
        words,
    )
    calendar.held = {"5e6f7a8b": "Work: `do this` or that"}
    await sync_calendar_events(context)
    assert len(await Notices(context.database).of(owner.id)) == 2


async def test_having_no_account_for_notes_is_an_outcome_of_its_own(context: Context) -> None:
    synced = await sync_notion_pages(context)

    assert (synced.status, synced.new) == (NotesStatus.NOT_CONFIGURED, 0)


async def test_what_users_prefer_is_applied_to_them(
    context: Context, owner: User, tmp_path: Path
) -> None:
    (tmp_path / "preferences").mkdir()
    (tmp_path / "preferences" / "owner.toml").write_text('quiet_hours = "22:00-07:00"\n')

    synced = await sync_user_preferences(context)

    assert synced == PreferencesSynced(users_synced=1, preferences_updated=1)
    assert str((await context.users.get(owner.id)).quiet_hours) == "22:00-07:00"
    (tmp_path / "preferences" / "owner.toml").unlink()
    assert (await sync_user_preferences(context)).status is PreferencesStatus.NOT_CONFIGURED


async def test_preferences_that_can_not_be_applied_are_told_once(
    context: Context, owner: User, tmp_path: Path
) -> None:
    (tmp_path / "preferences").mkdir()
    (tmp_path / "preferences" / "owner.toml").write_text("wants_mail = 1\n")

    for _ in range(3):
        synced = await sync_user_preferences(context)

        assert (synced.status, synced.failed) == (PreferencesStatus.FAILED, 1)
        assert synced.errors == ("owner.toml: wants_mail: must be true or false",)
    (notice,) = await Notices(context.database).of(owner.id)
    assert notice.body.startswith("owner.toml: wants_mail: must be true or false. Correct it in")


async def test_a_user_without_calendars_is_no_failure(
    context: Context, calendar: MemoryCalendar
) -> None:
    calendar.files["home.ics"] = texts(context, "dentist")
    await context.users.add(name="Bob", address="bob@example.com")

    assert (await sync_calendar_events(context)).new == 1
