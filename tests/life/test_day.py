"""A day of the timetable in fast time: each tick is one run, whichever worker has it, and works."""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.engine import Ending, days, hours, minutes
from app.storage.calendar import Calendars
from app.storage.health import HealthChecks
from app.storage.notifications import Notices
from app.storage.optimizations import Optimizations
from app.storage.sync_history import SyncHistory, SyncOutcome
from app.storage.users import User
from app.timetable import TIMETABLE
from tests.life.databases import everywhere
from tests.life.day import Day, a_day
from tests.life.home import Home
from tests.plugins.tiers import Tier
from tests.scratch_home import Given

TEA = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:tea\r\nSUMMARY:tea\r\nDTSTART:20260101T170000Z\r\n"
    "DURATION:PT1H\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
RECEIPT = "From: shop@example.com\nMessage-ID: <tea@shop>\nSubject: Your receipt\n\n2 kg of tea.\n"

Shows = Callable[[Day, User, Path], Awaitable[bool]]


async def is_told(day: Day, owner: User, _home: Path) -> bool:
    told = await Notices(day.services.database).of(owner.id, limit=1_000)
    return sum(each.title == "water the plants" for each in told) == 1


async def is_filed(_day: Day, _owner: User, home: Path) -> bool:
    return _mails(home, "inbox") == 0 and _mails(home, "receipts") == 1


async def has_teas(day: Day, owner: User, _home: Path) -> bool:
    now = day.clock.now()
    teas = await Calendars(day.services.database).between(owner.id, now, now + days(7))
    return len(teas) == 7


async def is_tidy(_day: Day, _owner: User, home: Path) -> bool:
    return not (home / "tmp/old").exists()


async def has_no_old_log(_day: Day, _owner: User, home: Path) -> bool:
    return not (home / "logs/old.log").exists()


async def has_looked(day: Day, _owner: User, _home: Path) -> bool:
    return bool(await HealthChecks(day.services.database).latest())


async def has_optimized(day: Day, _owner: User, _home: Path) -> bool:
    return len(await Optimizations(day.services.database).latest()) == 1


async def is_quiet(day: Day, owner: User, _home: Path) -> bool:
    return str((await day.services.users.get(owner.id)).quiet_hours) == "03:00-03:10"


async def knows_no_account(day: Day, _owner: User, _home: Path) -> bool:
    past = await SyncHistory(day.services.database, "notes").latest()
    return {each.outcome for each in past} == {SyncOutcome.NOT_CONFIGURED}


EFFECTS: dict[str, Shows] = {
    "ai.process_due_tasks": is_told,
    "email.process_email_queue": is_filed,
    "files.cleanup_temp_files": is_tidy,
    "maintenance.cleanup_old_logs": has_no_old_log,
    "maintenance.optimize_database": has_optimized,
    "maintenance.system_health_check": has_looked,
    "sync.sync_calendar_events": has_teas,
    "sync.sync_notion_pages": knows_no_account,
    "sync.sync_user_preferences": is_quiet,
}
"""What is there after the day that was not before, and is there once."""


@everywhere
@pytest.mark.timeout(900)
async def test_each_tick_of_a_day_is_one_run_with_its_effect(home: Home, tier: Tier) -> None:
    sunday = _next_sunday()
    begins = sunday + hours(tier.of(1, 0)) - minutes(1) / 2
    ends = begins + minutes(tier.of(3 * 60 + 50, 24 * 60))  # the small hours are the busy ones
    settings = Given.model_validate(
        {"home": home.path, "database": {"url": home.database_url or None}}
    )
    async with a_day(settings, begins, TIMETABLE) as day:
        owner = await day.services.users.owner()
        await _leave(day, owner, home.path)

        ticks = await day.play(ends, step=minutes(tier.of(10, 1)))

        shown = {name for name, shows in EFFECTS.items() if await shows(day, owner, home.path)}
        heard = {run: day.heard[run] for run in day.heard if "@" in run}
        failed = {run for run in ticks if day.endings[run] is not Ending.SUCCEEDED}
    print(f"{len(ticks)} ticks of {len(TIMETABLE)} schedules, {sum(heard.values())} runs of them")
    assert heard == dict.fromkeys(ticks, 1)
    assert failed == set()
    assert {run.partition("@")[0] for run in ticks} == {each.name for each in TIMETABLE}
    assert {day.by[run] for run in ticks} == {"one", "two", "three"}
    assert shown == EFFECTS.keys()


def _next_sunday() -> datetime:
    """Midnight of one that is some days off, so that what is here now is old by then."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + days(3)
    return midnight + timedelta(days=6 - midnight.weekday())


async def _leave(day: Day, owner: User, home: Path) -> None:
    """Put something to do where each of the jobs looks for it."""
    due = day.clock.now() + minutes(90)
    await day.services.tasks.create_reminder(owner, "water the plants", due)
    for folder in (
        "tmp",
        "logs",
        "calendar",
        "mail/inbox/new",
        "mail/inbox/cur",
        "mail/inbox/tmp",
        "preferences",
    ):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "tmp/old").write_text("written days ago")
    (home / "logs/old.log").write_text("a line\n")
    os.utime(home / "logs/old.log", (0, 0))
    (home / "calendar/tea.ics").write_text(TEA)
    (home / "preferences/owner.toml").write_text('quiet_hours = "03:00-03:10"\n')
    (home / "mail/inbox/new/1700000000.shop.localhost").write_text(RECEIPT)


def _mails(home: Path, folder: str) -> int:
    return sum(1 for part in ("new", "cur") for _ in (home / "mail" / folder / part).glob("*"))
