"""Notes and the pages of a Notion database are brought in step, whatever Notion says."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.services.mirror import RemoteRefused, RemoteUnavailable
from app.services.notes import NotesStatus, NotesSync, NotesSynced
from app.services.notes.notes import notion_account
from app.storage.database import Database
from app.storage.sync_history import SyncHistory, SyncOutcome
from app.storage.users import User
from tests.notion import BOT, DATABASE, SOURCE, TOKEN, Fault, Notion, notion


@dataclass
class Notes:
    """A folder of notes, and the Notion it is kept in step with."""

    folder: Path
    notion: Notion
    database: Database
    user: User
    token: str = TOKEN
    at: str = DATABASE
    later: timedelta = timedelta(minutes=3)
    """How long after the last edit in Notion it is here."""

    def service(self) -> NotesSync:
        account = notion_account(self.token, self.at, address=self.notion.url, now=self.now)
        return NotesSync(self.database, self.folder, account)

    def now(self) -> datetime:
        """The time it is here."""
        return self.notion.now + self.later

    async def sync(self) -> NotesSynced:
        """As a new process does it."""
        return await self.service().sync(self.user)

    def write(self, name: str, text: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    @property
    def here(self) -> dict[str, str]:
        return {each.name: each.read_text().strip() for each in sorted(self.folder.iterdir())}

    async def last(self) -> SyncOutcome:
        (past,) = await SyncHistory(self.database, "notes").latest(limit=1)
        return past.outcome


@pytest.fixture
async def notes(tmp_path: Path, database: Database, owner: User) -> AsyncGenerator[Notes]:
    async with notion() as server:
        yield Notes(tmp_path / "notes", server, database, owner)


async def test_notes_travel_both_ways_and_a_repeat_changes_nothing(notes: Notes) -> None:
    notes.notion.add("Shopping", "- tea\n- bread")
    notes.notion.add("Trip / plans", "# Where\nLisbon")
    notes.write("Books.md", "# To read\n\n* Emma\n* Ulysses\n")

    first, second = await notes.sync(), await notes.sync()

    assert (first.new, first.sent_new, first.status) == (2, 1, NotesStatus.SUCCESS)
    assert (second.unchanged, second.new, second.updated, second.sent) == (3, 0, 0, 0)
    assert notes.here == {
        "Books.md": "# To read\n\n* Emma\n* Ulysses",
        "Shopping.md": "- tea\n- bread",
        "Trip - plans.md": "# Where\nLisbon",
    }
    assert notes.notion.texts()["Books"] == "# To read\n- Emma\n- Ulysses"
    assert await notes.last() is SyncOutcome.SUCCESS


async def test_changes_titles_and_removals_travel_both_ways(notes: Notes) -> None:
    tea, plan, old, gone = (notes.notion.add(each, "x") for each in ("Tea", "Plan", "Old", "Gone"))
    await notes.sync()
    notes.notion.edit(tea, "more tea")
    notes.write("Plan.md", "a better plan")
    (notes.folder / "Old.md").rename(notes.folder / "New.md")
    (notes.folder / "Gone.md").unlink()

    first, second = await notes.sync(), await notes.sync()

    assert (first.updated, first.sent, first.sent_deleted, first.failed) == (1, 2, 1, 0)
    assert (second.updated, second.sent, second.unchanged) == (0, 0, 3)
    assert notes.here == {"New.md": "x", "Plan.md": "a better plan", "Tea.md": "more tea"}
    assert notes.notion.texts() == {"Tea": "more tea", "Plan": "a better plan", "New": "x"}
    assert (plan.edited_by, old.title, gone.in_trash) == (BOT, "New", True)


async def test_a_page_that_gets_another_title_is_another_file(notes: Notes) -> None:
    page = notes.notion.add("Tea", "green")
    await notes.sync()
    page.title = "Coffee"
    notes.notion.edit(page, "green")

    first, second = await notes.sync(), await notes.sync()

    assert (first.updated, second.unchanged) == (1, 1)
    assert notes.here == {"Coffee.md": "green"}


async def test_of_two_changes_both_are_kept_on_both_sides(notes: Notes) -> None:
    page = notes.notion.add("Plan", "first")
    await notes.sync()
    notes.write("Plan.md", "ours")
    notes.notion.edit(page, "theirs")

    first, second = await notes.sync(), await notes.sync()

    assert (first.conflicts, second.conflicts, second.unchanged) == (1, 0, 2)
    assert (
        sorted(notes.here.values()) == sorted(notes.notion.texts().values()) == ["ours", "theirs"]
    )
    assert notes.here["Plan.md"] == "theirs"


async def test_an_edit_within_the_minute_of_the_last_look_is_not_missed(notes: Notes) -> None:
    page = notes.notion.add("Plan", "first")
    notes.later = timedelta(0)
    await notes.sync()
    page.text = "changed within the minute"

    synced = await notes.sync()

    assert synced.updated == 1
    assert notes.here == {"Plan.md": "changed within the minute"}


async def test_a_short_wait_is_waited_for_and_what_clashes_is_tried_again(notes: Notes) -> None:
    notes.notion.add("Tea", "green")
    notes.write("Books.md", "Emma")
    notes.notion.faults = [
        Fault(method="GET", path="/markdown", status=429, retry_after="0"),
        Fault(method="POST", path="/query", status=502),
        Fault(method="POST", path="/pages", status=409),
    ]

    synced = await notes.sync()

    assert (synced.new, synced.sent_new, synced.failed) == (1, 1, 0)
    assert notes.notion.requests.count("POST /v1/pages") == 2


async def test_rate_limits_and_bad_pages_leave_the_rest_in_step(notes: Notes) -> None:
    notes.notion.page_size = 2
    bad = notes.notion.add("Bad", "x", unknown=3)
    broken = notes.notion.add("Broken", "y")
    for number in range(5):
        notes.notion.add(f"Good {number}", "z")
    notes.notion.faults = [
        Fault(method="GET", path=f"{broken.id}/markdown", status=502, times=3),
        Fault(method="POST", path="/query", status=429, retry_after="1"),
    ]
    notes.write("Refused.md", "x")
    notes.notion.faults.append(Fault(method="POST", path="/pages", status=400))

    first = await notes.sync()

    assert (first.status, first.new, first.failed) == (NotesStatus.PARTIAL_SUCCESS, 5, 3)
    assert [each.partition(":")[0] for each in first.errors] == [
        "Bad.md",
        "Broken.md",
        "Refused.md",
    ]
    assert "can't give all of it as Markdown (3 blocks)" in first.errors[0]
    assert await notes.last() is SyncOutcome.PARTIAL_SUCCESS
    bad.unknown = []
    second = await notes.sync()
    assert (second.new, second.sent_new, second.unchanged, second.failed) == (2, 1, 5, 0)


async def test_a_long_wait_ends_the_sync_and_it_goes_on_page_by_page(notes: Notes) -> None:
    for number in range(4):
        notes.notion.add(f"Note {number}", "x")
    third = list(notes.notion.pages)[2]
    late = Fault(method="GET", path=f"{third}/markdown", status=429, retry_after="300", times=9)
    notes.notion.faults = [late]

    with pytest.raises(RemoteUnavailable) as caught:
        await notes.sync()

    assert caught.value.retry_after == timedelta(seconds=300)
    assert len(notes.here) == 2
    assert await notes.last() is SyncOutcome.FAILED
    late.times = 0
    notes.notion.requests.clear()
    assert (await notes.sync()).new == 2
    assert sum("markdown" in each for each in notes.notion.requests) == 2


@pytest.mark.parametrize("path", ["/pages", "/markdown"])
@pytest.mark.parametrize("title", ["Books", "To read: what else?"])
async def test_an_answer_that_is_lost_makes_no_second_page(
    notes: Notes, path: str, title: str
) -> None:
    """As after a crash between the page that was made and the row that says so."""
    notes.write(f"{title}.md", "Emma")
    method = "POST" if path == "/pages" else "GET"
    lost = Fault(method=method, path=path, status=502, times=3, is_after=True)
    notes.notion.faults = [lost]
    first = await notes.sync()
    assert first.failed == 1
    lost.times = 0

    second, third = await notes.sync(), await notes.sync()

    assert [page.title for page in notes.notion.pages.values()] == [title]
    assert notes.here == {f"{title}.md": "Emma"}
    assert (second.failed, third.unchanged, third.sent) == (0, 1, 0)


async def test_two_pages_of_one_title_are_two_files(notes: Notes) -> None:
    notes.notion.add("Tea", "green")
    notes.notion.add("Tea", "black")
    notes.notion.add("", "no title")

    first, second = await notes.sync(), await notes.sync()

    assert (first.new, second.unchanged) == (3, 3)
    assert sorted(notes.here.values()) == ["black", "green", "no title"]
    assert {"Tea.md", "Untitled.md"} < notes.here.keys()


async def test_a_page_in_the_trash_is_removed_here(notes: Notes) -> None:
    page = notes.notion.add("Tea", "green")
    notes.notion.add("Plan", "x")
    await notes.sync()
    page.in_trash = True

    assert (await notes.sync()).deleted == 1
    assert notes.here == {"Plan.md": "x"}


async def test_a_refused_token_is_told_and_never_shown(notes: Notes) -> None:
    notes.token = "ntn_wrong-secret"

    with pytest.raises(RemoteRefused, match="Notion refuses the token") as caught:
        await notes.sync()

    assert "wrong" not in str(caught.value)
    assert await notes.last() is SyncOutcome.FAILED


async def test_a_database_that_is_not_shared_is_told(notes: Notes) -> None:
    notes.at = "0" * 32

    with pytest.raises(RemoteRefused, match="not shared with the integration"):
        await notes.sync()


async def test_a_data_source_can_be_named_itself(notes: Notes) -> None:
    notes.at = SOURCE
    notes.notion.add("Tea", "green")

    assert (await notes.sync()).new == 1


async def test_without_an_account_it_is_not_configured(
    tmp_path: Path, database: Database, owner: User
) -> None:
    notes = NotesSync(database, tmp_path)

    synced = await notes.sync(owner)
    here, nobody = await notes.guide()

    assert synced == NotesSynced(status=NotesStatus.NOT_CONFIGURED)
    assert "STEWARD_NOTES__NOTION__TOKEN" in nobody.advice
    assert str(tmp_path) in here.tried


async def test_a_guide_tells_what_it_found_and_changes_nothing(notes: Notes) -> None:
    notes.notion.add("Tea", "green")

    _, found = await notes.service().guide()

    assert found.said == "the token is good, and the database holds 1 pages"
    assert "steward enqueue sync.sync_notion_pages" in found.advice
    assert not notes.folder.exists()


async def test_a_guide_says_what_to_do_about_what_is_refused(notes: Notes) -> None:
    notes.token = "ntn_wrong-secret"
    _, token = await notes.service().guide()
    notes.token, notes.at = TOKEN, "0" * 32
    _, database = await notes.service().guide()

    assert (token.is_well, database.is_well) == (False, False)
    assert "STEWARD_NOTES__NOTION__TOKEN" in token.advice
    assert "under Connections" in database.advice
    assert "wrong" not in token.said + token.advice
