import pytest

from app.context import Context
from app.engine import hours
from app.jobs.sync import sync_calendar_events
from app.services.calendar import (
    MemoryCalendar,
    SourceRefused,
    SourceUnavailable,
    SyncStatus,
)
from app.storage.calendar import Calendars

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


async def test_a_user_without_calendars_is_no_failure(
    context: Context, calendar: MemoryCalendar
) -> None:
    calendar.files["home.ics"] = texts(context, "dentist")
    await context.users.add(name="Bob", address="bob@example.com")

    assert (await sync_calendar_events(context)).new == 1
