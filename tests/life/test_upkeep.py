"""Calendar, files, logs and health, done by a worker process in a home like any other."""

import os
from datetime import timedelta

from app.context import Services
from app.engine import Ending, hours
from app.jobs.files import cleanup_temp_files
from app.jobs.maintenance import cleanup_old_logs, system_health_check
from app.jobs.sync import sync_calendar_events
from app.services.health_report import Level
from app.storage.calendar import Calendars
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
    for folder in ("tmp", "logs"):
        (home.path / folder).mkdir(exist_ok=True)
    (home.path / "tmp/old").write_bytes(b"x" * 10_000)
    (home.path / "logs/old.log").write_text("a line\n")
    os.utime(home.path / "logs/old.log", (0, 0))
    await home.worker(STEWARD, STEWARD_FILES__TEMP_KEEP="0.01").ready(steward.client)

    files = await (await steward.client.enqueue(cleanup_temp_files)).result()
    logs = await (await steward.client.enqueue(cleanup_old_logs)).result()
    health = await (await steward.client.enqueue(system_health_check)).result()

    assert (files.removed, (home.path / "tmp/old").exists()) == (1, False)
    assert (logs.deleted, (home.path / "logs/old.log").exists()) == (1, False)
    asked = {part.name: part.level for part in health.parts}
    assert asked["database"] is asked["redis"] is asked["workers"] is Level.HEALTHY
