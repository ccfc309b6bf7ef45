"""Syncs: an account's mail is read, calendars and notes are alike on both sides, wishes applied."""

from app.engine import days, hours
from app.storage.calendar import Calendars
from app.storage.mailboxes import Mailboxes
from tests.life.proofs.scene import Proof, Scene
from tests.services.ics.texts import calendar, event

LUNCH = b"From: Bob <bob@example.org>\r\nSubject: Lunch %d\r\n\r\nHi"
QUIET = "23:00-23:10"


async def leave_account(scene: Scene) -> None:
    scene.town.incoming.put(scene.town.account, *(LUNCH % number for number in (1, 2, 3)))


async def has_read(scene: Scene) -> bool:
    name = f"imap:{scene.town.account.username}@127.0.0.1/INBOX"
    entries = await Mailboxes(scene.database).entries(scene.owner.id, name)
    there = scene.town.incoming.where(scene.town.account)
    return [each.subject for each in entries] == ["Lunch 1", "Lunch 2", "Lunch 3"] and there == {
        "": 3
    }


async def leave_calendars(scene: Scene) -> None:
    tea = event("tea", "DTSTART:20260101T170000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY")
    later = scene.begins + days(2)
    party, walk = (event(each, f"DTSTART:{later:%Y%m%dT%H%M%SZ}") for each in ("party", "walk"))
    for folder, name, text in (("calendar", "tea", tea), ("caldav/Work", "party", party)):
        (scene.home / folder).mkdir(parents=True, exist_ok=True)
        path = scene.home / folder / f"{name}.ics"
        path.write_bytes(calendar("PRODID:x", text).encode())
    await scene.town.calendars.put("work", "walk.ics", calendar("PRODID:x", walk))


async def has_events(scene: Scene) -> bool:
    """Seven teas of the folder; the party went to the server, the walk came from there."""
    start = scene.begins + hours(24)
    found = await Calendars(scene.database).between(scene.owner.id, start, start + days(7))
    titles = sorted(each.title for each in found)
    there = scene.town.calendars.events("work")
    return titles == ["party", *["tea"] * 7, "walk"] and {"party.ics", "walk.ics"} <= there.keys()


async def leave_notes(scene: Scene) -> None:
    (scene.home / "notes").mkdir(exist_ok=True)
    (scene.home / "notes/Here.md").write_text("written here\n")
    scene.town.pages.add("There", "written there")


async def has_notes(scene: Scene) -> bool:
    here = {each.name: each.read_text() for each in (scene.home / "notes").glob("[!.]*")}
    expected = {"Here": "written here", "There": "written there"}
    is_alike = {f"{name}.md": text for name, text in expected.items()} == {
        name: text.strip() for name, text in here.items()
    }
    return is_alike and scene.town.pages.texts() == expected and len(scene.town.pages.pages) == 2


async def leave_wishes(scene: Scene) -> None:
    (scene.home / "preferences").mkdir(exist_ok=True)
    (scene.home / "preferences/owner.toml").write_text(f'quiet_hours = "{QUIET}"\n')


async def is_quiet(scene: Scene) -> bool:
    return str((await scene.day.services.users.get(scene.owner.id)).quiet_hours) == QUIET


PROOFS = {
    "sync.sync_email_services": Proof(leave_account, has_read),
    "sync.sync_calendar_events": Proof(leave_calendars, has_events),
    "sync.sync_notion_pages": Proof(leave_notes, has_notes),
    "sync.sync_user_preferences": Proof(leave_wishes, is_quiet),
}
