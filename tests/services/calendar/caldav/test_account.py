"""Calendars on a real CalDAV server are brought in step, both ways."""

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from app.services.calendar import (
    CalendarSync,
    CalendarSynced,
    Snapshot,
    SourceRefused,
    SourceUnavailable,
    SyncStatus,
)
from app.services.calendar.caldav import CalDavAccount, CalDavServer
from app.services.calendar.caldav.discovery import Found
from app.services.calendar.caldav.folders import folders_of
from app.services.calendar.source import Outward
from app.storage.calendar import Calendars
from app.storage.database import Database
from app.storage.mirror import MirrorBook
from app.storage.users import User
from tests.radicale import PASSWORD, USER, Radicale
from tests.services.ics.texts import NOW, calendar, event

STAMP = "DTSTAMP:20261101T000000Z"
WALK = event("walk", STAMP, "DTSTART;TZID=Europe/Berlin:20261201T100000", "RRULE:FREQ=WEEKLY")
DENTIST = event("dentist", STAMP, "DTSTART:20261202T100000Z")
PARTY = event("party", STAMP, "DTSTART:20261205T200000Z")


@dataclass
class Account:
    """The test's calendar on the server, and the home it is mirrored in."""

    server: Radicale
    calendar: str
    home: Path
    database: Database
    user: User
    password: str = PASSWORD

    def source(self) -> CalDavAccount:
        url = self.server.calendar_url(self.calendar)
        server = CalDavServer(url, username=USER, password=self.password)
        book = partial(MirrorBook, self.database, self.user.id)
        return CalDavAccount(server, USER, self.home, book)

    async def sync(self, removals: str = "") -> CalendarSynced:
        """As a new process does it."""
        sync = CalendarSync(self.database, {self.user.id: [self.source()]}, now=lambda: NOW)
        return await sync.sync(self.user, removals=removals)

    async def mirror(self) -> Outward:
        """The same without storing the events: what went outward."""
        answer = await self.source().read(None)
        assert isinstance(answer, Snapshot)
        return answer.outward

    async def put(self, name: str, *events: str) -> None:
        await self.server.put(self.calendar, f"{name}.ics", calendar("PRODID:x", *events))

    async def delete(self, name: str) -> None:
        await self.server.delete(self.calendar, f"{name}.ics")

    def write(self, name: str, *events: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.ics").write_bytes(calendar("PRODID:x", *events).encode())

    @property
    def folder(self) -> Path:
        return self.home / "Work"

    @property
    def there(self) -> dict[str, str]:
        return self.server.events(self.calendar)

    @property
    def here(self) -> dict[str, str]:
        return {each.name: each.read_text() for each in self.folder.glob("[!.]*")}

    async def titles(self, days: int = 13) -> list[str]:
        calendars = Calendars(self.database)
        found = await calendars.between(self.user.id, NOW, NOW + timedelta(days=days))
        return [each.title for each in found]


@pytest.fixture
def account(
    caldav_server: Radicale, calendar_name: str, tmp_path: Path, database: Database, owner: User
) -> Account:
    return Account(caldav_server, calendar_name, tmp_path / "caldav", database, owner)


def counts(synced: CalendarSynced) -> tuple[int, int, int, int, int]:
    return synced.new, synced.updated, synced.deleted, synced.sent, synced.conflicts


async def test_events_of_the_server_are_stored_and_follow_its_changes(account: Account) -> None:
    """A recurring event stays a rule, and a repeat changes nothing."""
    await account.put("walk", WALK)
    await account.put("dentist", DENTIST)

    first, second = await account.sync(), await account.sync()

    assert counts(first) == (2, 0, 0, 0, 0)
    assert counts(second) == (0, 0, 0, 0, 0)
    assert second.unchanged == 2
    assert await account.titles(days=30) == ["walk", "dentist", *["walk"] * 3]
    assert "RRULE:FREQ=WEEKLY" in (account.folder / "walk.ics").read_text()

    await account.put("party", PARTY)
    await account.put("walk", WALK.replace("T100000", "T180000"))
    await account.delete("dentist")

    synced = await account.sync()

    assert counts(synced) == (1, 1, 1, 0, 0)
    assert await account.titles() == ["walk", "party"]


async def test_what_is_changed_here_goes_to_the_server(account: Account) -> None:
    await account.put("walk", WALK)
    await account.put("dentist", DENTIST)
    await account.mirror()
    account.write("party", PARTY)
    account.write("walk", WALK.replace("SUMMARY:walk", "SUMMARY:a long walk"))
    (account.folder / "dentist.ics").unlink()

    first, second = await account.sync(), await account.sync()

    assert counts(first) == (2, 0, 0, 3, 0)
    assert counts(second) == (0, 0, 0, 0, 0)
    assert sorted(account.there) == ["party.ics", "walk.ics"]
    assert "SUMMARY:a long walk" in account.there["walk.ics"]
    assert await account.titles() == ["a long walk", "party"]


async def test_of_two_changes_both_are_kept_on_both_sides(account: Account) -> None:
    await account.put("dentist", DENTIST)
    await account.mirror()
    account.write("dentist", DENTIST.replace("SUMMARY:dentist", "SUMMARY:ours"))
    await account.put("dentist", DENTIST.replace("SUMMARY:dentist", "SUMMARY:theirs"))

    first, second = await account.sync(), await account.mirror()

    assert (first.conflicts, first.sent, second) == (1, 1, Outward())
    assert sorted(await account.titles()) == ["ours", "theirs"]
    assert sorted(account.here) == sorted(account.there)
    assert len(account.there) == 2
    assert "SUMMARY:theirs" in account.there["dentist.ics"]


@pytest.mark.parametrize("side", ["here", "there"])
async def test_a_calendar_that_is_suddenly_empty_is_kept_until_somebody_says_so(
    account: Account, side: str
) -> None:
    for name, text in (("walk", WALK), ("dentist", DENTIST)):
        await account.put(name, text)
    await account.sync()
    for name in ("walk", "dentist"):
        if side == "here":
            (account.folder / f"{name}.ics").unlink()
        else:
            await account.delete(name)

    held, again = await account.sync(), await account.sync()

    assert (counts(held), counts(again), held.failed) == ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), 1)
    assert (held.status, held.sources_failed) == (SyncStatus.PARTIAL_SUCCESS, 0)
    assert len(account.there if side == "here" else account.here) == 2
    assert sorted(set(await account.titles())) == ["dentist", "walk"]
    mark = re.search(r"`steward enqueue sync.sync_calendar_events removals=(\w+)`", held.errors[0])
    assert mark
    assert held.held == again.held == {mark[1]: held.errors[0]}
    done = await account.sync(mark[1])
    assert (done.deleted, done.sent, account.here, account.there) == (
        2,
        2 if side == "here" else 0,
        {},
        {},
    )


async def test_what_is_said_of_a_held_calendar_is_one_whole_line_however_long_its_names(
    account: Account, tmp_path: Path
) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    account.calendar += "-long"
    await account.server.make_calendar(account.calendar, "Family &#10;and \x7ffriends " * 20)
    await account.put("walk", WALK)
    host = "calendars." * 20 + "example"
    url = account.server.calendar_url(account.calendar).replace("127.0.0.1", host)
    server = CalDavServer(url, username=USER, password=PASSWORD, resolve=resolve)
    book = partial(MirrorBook, account.database, account.user.id)
    source = CalDavAccount(server, USER, tmp_path / "long", book)
    sync = CalendarSync(account.database, {account.user.id: [source]}, now=lambda: NOW)
    assert (await sync.sync(account.user)).new == 1
    next((tmp_path / "long").rglob("walk.ics")).unlink()

    held = await sync.sync(account.user)

    ((mark, line),) = held.held.items()
    assert (line,) == held.errors
    assert line.startswith(f"the CalDAV account at {host[:60]}: Family  and friends ")
    assert line.endswith(
        f": `steward enqueue sync.sync_calendar_events removals={mark}` removes on the other side, "
        "too, what is suddenly gone from the folder, 1 of 1; or bring it back: nothing is synced "
        "until then"
    )
    assert line.isprintable()


async def test_an_alarm_set_elsewhere_outlives_a_change_from_here(account: Account) -> None:
    await account.put("dentist", DENTIST)
    await account.mirror()
    alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n"
    await account.put("dentist", DENTIST.replace("END:VEVENT", f"{alarm}END:VEVENT"))
    await account.mirror()
    here = account.folder / "dentist.ics"
    here.write_text(here.read_text().replace("SUMMARY:dentist", "SUMMARY:the dentist"))

    await account.mirror()

    assert "SUMMARY:the dentist" in account.there["dentist.ics"]
    assert "TRIGGER:-PT5M" in account.there["dentist.ics"]


async def test_a_calendar_keeps_its_folder_under_another_title(account: Account) -> None:
    await account.put("walk", WALK)
    await account.mirror()

    found = Found(url=account.server.calendar_url(account.calendar), title="Job")

    assert folders_of([found], account.home) == [(found, account.folder)]


async def test_a_token_that_is_refused_means_that_all_is_listed(account: Account) -> None:
    await account.put("walk", WALK)
    await account.put("dentist", DENTIST)
    await account.mirror()
    account.server.forget_tokens(account.calendar)
    await account.delete("dentist")
    await account.put("party", PARTY)

    first, second = await account.mirror(), await account.mirror()

    assert first == second == Outward()
    assert sorted(account.here) == ["party.ics", "walk.ics"]


async def test_a_sync_that_died_before_it_stored_resumes(account: Account) -> None:
    await account.put("walk", WALK)
    await account.mirror()  # fetched, and then killed

    first, second = await account.sync(), await account.sync()

    assert (first.new, second.changes) == (1, 0)
    assert await account.titles() == ["walk"]


async def test_a_file_that_is_no_event_is_told_and_the_others_are_sent(account: Account) -> None:
    account.write("party", PARTY)
    account.write("two", WALK, DENTIST)

    outward = await account.mirror()

    assert (outward.sent, outward.failed) == (1, 1)
    assert outward.errors == ("Work: two.ics: it holds 2 events; a server takes one a file",)
    assert list(account.there) == ["party.ics"]


async def test_a_wrong_password_is_refused_and_never_told(account: Account) -> None:
    account.password = "a wrong secret"

    synced = await account.sync()

    assert "refuses the user name or the password" in synced.errors[0]
    assert "secret" not in repr(synced)
    with pytest.raises(SourceRefused):
        synced.raise_if_all_failed()


async def test_a_server_that_is_down_deletes_nothing(account: Account) -> None:
    await account.put("walk", WALK)
    await account.mirror()
    account.server = Radicale(1, account.server.place)

    with pytest.raises(SourceUnavailable):
        await account.mirror()
    assert list(account.here) == ["walk.ics"]


async def test_a_check_tells_what_it_found_and_stores_nothing(account: Account) -> None:
    reached, found, mirrored = await account.source().check()

    assert "lets us in, as 'ann'" in reached
    assert found == "it has 1 calendars for events: Work"
    assert str(account.home) in mirrored
    assert not account.home.exists()


async def test_the_calendars_of_an_account_are_found_from_its_bare_address(
    caldav_server: Radicale, tmp_path: Path, database: Database, owner: User
) -> None:
    await caldav_server.make_calendar("found", "Found it")
    server = CalDavServer(caldav_server.url, username=USER, password=PASSWORD)
    account = CalDavAccount(server, USER, tmp_path, partial(MirrorBook, database, owner.id))

    _, found, _ = await account.check()

    assert "Found it" in found
