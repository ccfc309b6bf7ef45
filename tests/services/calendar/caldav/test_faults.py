"""Case 58: whatever befalls the way to a calendar, no event is lost, doubled or overwritten."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from app.services.calendar.caldav import CalDavServer
from app.services.calendar.caldav.collection import FORMAT, CalDavCollection
from app.services.calendar.caldav.discovery import Found
from app.services.download import DownloadLimits
from app.services.mirror import Mirror, Mirrored, MirrorFolder, RemoteError
from app.storage.database import Database
from app.storage.mirror import MirrorBook
from app.storage.users import User
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.services.calendar.caldav.faulty_dav import Fault, FaultyDav, faulty_dav
from tests.services.ics.texts import calendar, event

BRIEF = DownloadLimits(time=timedelta(seconds=1.5))  # while it is faulty
NAMES = [f"event {n}.ics" for n in range(8)]
TITLE = re.compile(r"^SUMMARY:(.*?)\r?$", re.MULTILINE)


def titles(contents: Iterable[str]) -> list[str]:
    """What the events are called, each text a title of its own."""
    return sorted(title for each in contents for title in TITLE.findall(each))


@dataclass(kw_only=True)
class Both:
    """A folder, a calendar with faults, and what has to be in both of them in the end."""

    here: Path
    there: FaultyDav
    database: Database
    user: User
    random: Random
    edits: int = 0
    expected: set[str] = field(default_factory=set[str])
    """The titles that must be there."""
    overwritten: set[str] = field(default_factory=set[str])
    """Those that somebody has seen on the server and written over: they may be there."""

    async def sync(self, limits: DownloadLimits | None = None) -> Mirrored:
        """As a new process does it."""
        server = CalDavServer(
            self.there.url, username="", password="", limits=limits or DownloadLimits()
        )
        collection = CalDavCollection(server, Found(url=self.there.url, title="Work"))
        book = MirrorBook(self.database, self.user.id, collection.name)
        folder = MirrorFolder(self.here, FORMAT)
        return await Mirror(folder, collection, book, command="sync it").sync()

    def edit(self) -> None:
        """Somebody changes three events, here or there or on both sides, and clears up copies."""
        for copy in [name for name in self.there.things if "conflict" in name]:
            self._gone(copy, is_here=False)
        for name in self.random.sample(NAMES, 3):
            where = self.random.choice(["here", "there", "both", "gone here", "gone there"])
            if where.startswith("gone"):
                self._gone(name, is_here=where == "gone here")
            else:
                self._written(name, where)

    def _written(self, name: str, where: str) -> None:
        self.edits += 1
        self.expected -= set(self._titles_of(name))
        if where in ("here", "both"):
            (self.here / name).write_bytes(self._event(name, f"here {self.edits}"))
        if where in ("there", "both"):
            self.write_there(name, f"there {self.edits}")

    def write_there(self, name: str, title: str) -> None:
        """Somebody else writes an event."""
        self.there.edit(name, self._event(name, title).decode())

    def _event(self, name: str, title: str) -> bytes:
        self.expected.add(title)
        start = f"DTSTART:20301201T{self.random.randrange(10, 24)}0000Z"
        return calendar("PRODID:x", event(name, f"SUMMARY:{title}", start)).encode()

    def _gone(self, name: str, *, is_here: bool) -> None:
        self.expected -= set(self._titles_of(name))
        if is_here:
            (self.here / name).unlink(missing_ok=True)
        elif name in self.there.things:
            self.there.edit(name, None)

    def _titles_of(self, name: str) -> list[str]:
        return titles([self.there.things[name][1]] if name in self.there.things else [])

    def note_strangers(self) -> None:
        """What others wrote between our look and our change has to be there, too."""
        for _, before, after in self.there.overtook:
            self.overwritten |= {*titles([before])}
            self.expected |= {*titles([after])}
        self.expected -= self.overwritten
        self.there.overtook.clear()

    @property
    def files(self) -> dict[str, str]:
        """What lies here."""
        return {each.name: each.read_bytes().decode() for each in self.here.glob("[!.]*")}


@pytest.mark.timeout(240)
@pytest.mark.case(58)
async def test_the_server_has_what_it_should_after_every_fault(
    tmp_path: Path, database: Database, owner: User, tier: Tier, seed: int, case: Case
) -> None:
    rounds, random = tier.of(6, 100), Random(seed)
    async with faulty_dav(random) as there:
        here = tmp_path / "mirror"
        here.mkdir()
        both = Both(here=here, there=there, database=database, user=owner, random=random)
        both.write_there("never touched.ics", "so that neither side is ever emptied")
        await _is_settled(both)
        for _ in range(rounds):
            both.edit()
            there.chance = 0.5
            for _ in range(2):
                with suppress(RemoteError):
                    await both.sync(BRIEF)
            there.chance = 0.0
            both.note_strangers()
            await _is_settled(both)

    hit = sum(there.hit.values())
    case.says(
        f"{rounds} fault runs on CalDAV, {both.edits} edits on both sides, {hit} faults",
        steward=f"none of {len(both.expected)} events lost, doubled or overwritten",
    )
    assert tier.of(0, 1) == 0 or there.hit.keys() == set(Fault)


async def _is_settled(both: Both) -> None:
    """One sync in peace makes both sides alike, and the next one has nothing to do."""
    done = await both.sync()
    again = await both.sync()

    on_server = titles(content for _, content in both.there.things.values())
    assert (done.failed, again.failed, again.changes) == (0, 0, 0), (done, again)
    assert titles(both.files.values()) == on_server
    assert both.files.keys() == both.there.things.keys()
    assert both.expected - set(on_server) == set(), "lost"
    assert set(on_server) - both.expected <= both.overwritten, "came back"
    assert len(set(on_server)) == len(on_server), "doubled"
    both.expected = set(on_server)
    both.overwritten = set()
