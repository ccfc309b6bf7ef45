"""Calendars and notes on real servers, kept by real workers that are killed in the middle."""

from collections import Counter
from pathlib import Path
from signal import SIGKILL

import pytest

from app.context import Services
from app.engine import RunStatus, minutes, seconds
from app.jobs.sync import sync_calendar_events, sync_notion_pages
from app.storage.sync_history import SyncHistory, SyncOutcome
from tests.eventually import eventually
from tests.life.home import LEASE, STEWARD, Home
from tests.life.processes import WorkerProcess
from tests.notion import DATABASE, TOKEN, Notion, notion
from tests.plugins.cases import Case
from tests.radicale import PASSWORD, USER, Radicale, radicale, ready
from tests.services.ics.texts import calendar, event

LONG = 2 * LEASE + seconds(40)
THERE, HERE, EVENTS = 12, 8, 15


@pytest.mark.tier("T2")
@pytest.mark.timeout(150)
@pytest.mark.case(58)
async def test_notes_and_calendars_are_synced_by_workers_that_are_killed(
    home: Home, steward: Services, case: Case
) -> None:
    with radicale() as server:
        await ready(server)
        await server.make_calendar("work", "Work")
        async with notion() as pages:
            told = await _notes(home, steward, pages)
        sent = await _calendar(home, steward, server)
    case.says(
        f"kill -9 in the middle of syncing {THERE + HERE} notes, and of sending {EVENTS} events",
        steward=f"{told} pages were made at the kill, {sent} events sent; in the end each is there "
        "once, on both sides",
    )


async def _notes(home: Home, steward: Services, pages: Notion) -> int:
    """Twelve pages there, eight notes here; killed when some of the pages are made."""
    pages.pause = 0.03
    for number in range(THERE):
        pages.add(f"There {number}", f"text {number}")
    folder = home.path / "notes"
    _write(folder, {f"Here {number}.md": f"text {number}\n" for number in range(HERE)})
    settings = {
        "STEWARD_NOTES__NOTION__TOKEN": TOKEN,
        "STEWARD_NOTES__NOTION__DATABASE": DATABASE,
        "STEWARD_NOTES__NOTION__ADDRESS": pages.url,
    }
    victim = await home.worker(STEWARD, **settings).ready(steward.client)
    handle = await steward.client.enqueue(sync_notion_pages)
    await eventually(lambda: len(pages.pages) >= THERE + 2, within=minutes(1))
    await _kill(victim)
    made = len(pages.pages) - THERE

    await home.worker(STEWARD, **settings).ready(steward.client)
    synced = await handle.result(within=LONG)

    assert made < HERE
    assert synced.failed == 0
    assert Counter(page.title for page in pages.pages.values()) == Counter(
        [f"There {n}" for n in range(THERE)] + [f"Here {n}" for n in range(HERE)]
    )
    assert len(list(folder.iterdir())) == THERE + HERE
    latest, died = await SyncHistory(steward.database, "notes").latest(limit=2)
    assert (latest.outcome, died.outcome) == (SyncOutcome.SUCCESS, SyncOutcome.INTERRUPTED)
    await _kill(home.started[-1])
    return made


async def _calendar(home: Home, steward: Services, server: Radicale) -> int:
    """Fifteen events here; killed when some of them are sent."""
    folder = home.path / "caldav" / "Work"
    start = "DTSTART:20300101T100000Z"
    texts = {f"e{n}.ics": calendar("PRODID:x", event(f"e{n}", start)) for n in range(EVENTS)}
    _write(folder, texts)
    settings = {
        "STEWARD_CALENDAR__CALDAV__URL": server.url,
        "STEWARD_CALENDAR__CALDAV__USERNAME": USER,
        "STEWARD_CALENDAR__CALDAV__PASSWORD": PASSWORD,
    }
    victim = await home.worker(STEWARD, **settings).ready(steward.client)
    handle = await steward.client.enqueue(sync_calendar_events)
    await eventually(lambda: len(server.events("work")) >= 3, within=minutes(1))
    await _kill(victim)
    sent = len(server.events("work"))

    await home.worker(STEWARD, **settings).ready(steward.client)
    synced = await handle.result(within=LONG)

    assert sent < EVENTS
    assert (synced.failed, synced.conflicts, synced.new) == (0, 0, EVENTS)
    assert sorted(server.events("work")) == sorted(texts)
    assert sorted(each.name for each in folder.glob("[!.]*")) == sorted(texts)
    assert await handle.status() is RunStatus.SUCCEEDED
    return sent


async def _kill(worker: WorkerProcess) -> None:
    worker.send(SIGKILL)
    await worker.exit_code()


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
