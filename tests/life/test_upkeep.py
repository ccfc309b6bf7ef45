"""Calendar, files, logs and health, done by a worker process in a home like any other."""

import os
from datetime import timedelta
from signal import SIGKILL

import pytest

from app.context import Services
from app.engine import Ending, hours
from app.jobs.files import backup_user_data, cleanup_temp_files, organize_files
from app.jobs.maintenance import cleanup_old_logs, optimize_database, system_health_check
from app.jobs.sync import sync_calendar_events
from app.services.health_report import Level
from app.storage.calendar import Calendars
from tests.eventually import eventually
from tests.life.home import STEWARD, Home, history

WEEKLY = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:choir\r\nSUMMARY:choir\r\n"
    "DTSTART;TZID=Europe/Berlin:20260101T193000\r\nDURATION:PT2H\r\nRRULE:FREQ=WEEKLY\r\n"
    "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:bad\r\nRRULE:FREQ=SECONDLY\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)


async def test_a_calendar_file_is_imported_by_a_worker(home: Home, steward: Services) -> None:
    (home.path / "calendar").mkdir(exist_ok=True)
    (home.path / "calendar/choir.ics").write_text(WEEKLY)
    await home.worker(STEWARD).ready(steward.client)

    first = await steward.client.enqueue(sync_calendar_events)
    synced = await first.result(within=timedelta(seconds=30))
    again = await (await steward.client.enqueue(sync_calendar_events)).result(
        within=timedelta(seconds=30)
    )

    now = steward.client.store.clock.now()
    owner = await steward.users.owner()
    month = await Calendars(steward.database).between(owner.id, now, now + hours(24 * 28))
    assert (synced.new, synced.failed, synced.status) == (1, 1, "partial_success")
    assert (again.new, again.updated, again.deleted, again.unchanged) == (0, 0, 0, 1)
    assert [each.title for each in month] == ["choir"] * 4
    assert (await history(steward, first.id)).status == Ending.SUCCEEDED


async def test_a_worker_keeps_its_home_tidy_and_knows_how_it_is(
    home: Home, steward: Services
) -> None:
    for folder in ("tmp", "logs", "incoming"):
        (home.path / folder).mkdir(exist_ok=True)
    (home.path / "tmp/old").write_bytes(b"x" * 10_000)
    (home.path / "logs/old.log").write_text("a line\n")
    (home.path / "incoming/tea.jpg").write_bytes(b"tea")
    for old in ("logs/old.log", "incoming/tea.jpg"):
        os.utime(home.path / old, (0, 0))
    await home.worker(STEWARD, STEWARD_FILES__TEMP_KEEP="0.01").ready(steward.client)

    files = await (await steward.client.enqueue(cleanup_temp_files)).result()
    logs = await (await steward.client.enqueue(cleanup_old_logs)).result()
    health = await (await steward.client.enqueue(system_health_check)).result()
    sorted_in = await (await steward.client.enqueue(organize_files)).result()
    saved = await (await steward.client.enqueue(backup_user_data)).result()
    tuned = await (await steward.client.enqueue(optimize_database)).result()

    assert (files.removed, (home.path / "tmp/old").exists()) == (1, False)
    assert (logs.deleted, (home.path / "logs/old.log").exists()) == (1, False)
    asked = {part.name: part.level for part in health.parts}
    assert asked["database"] is asked["redis"] is asked["workers"] is Level.HEALTHY
    assert (sorted_in.moved, (home.path / "files/images/tea.jpg").read_bytes()) == (1, b"tea")
    target = home.folder / "elsewhere"
    await steward.backups.restore(saved.name, target, may_move_aside=False)
    assert (target / "files/images/tea.jpg").read_bytes() == b"tea"
    assert (saved.users_backed_up, (target / "steward.db").exists()) == (1, True)
    assert tuned.after.rows["users"] == 1
    assert any(name.startswith("users.") for name in tuned.after.statistics)


@pytest.mark.tier("T2")
@pytest.mark.case(64)
async def test_a_backup_whose_worker_is_killed_is_made_once_by_another(
    home: Home, steward: Services
) -> None:
    (home.path / "files").mkdir()
    (home.path / "files/large").write_bytes(os.urandom(20_000_000))
    victim = await home.worker(STEWARD).ready(steward.client)
    run = await steward.client.enqueue(backup_user_data)
    parts = home.path / "backups"

    async def has_begun() -> bool:
        return any(each.stat().st_size for each in parts.glob(".steward-*.unfinished"))

    await eventually(has_begun, within=timedelta(seconds=30))
    victim.send(SIGKILL)
    await victim.exit_code()
    assert await steward.backups.list() == ()
    await home.worker(STEWARD).ready(steward.client)
    made = await run.result(within=timedelta(seconds=60))

    (kept,) = await steward.backups.list()
    assert (kept.name, made.is_new) == (made.name, True)
    assert (await steward.backups.verify())[1].problems == ()
    assert (await history(steward, run.id)).attempts == 2
    assert not [*parts.glob(".*unfinished")]
