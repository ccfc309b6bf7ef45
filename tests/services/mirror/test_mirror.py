"""Both sides of a mirror end alike, nothing is lost, and what died is simply done again."""

import re
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from app.services.mirror import Mirror, Mirrored, MirrorFolder, RemoteUnavailable
from app.storage.database import Database
from app.storage.mirror import MirrorBook
from app.storage.restored import bring_up
from app.storage.users import User
from tests.plugins.tiers import Tier
from tests.services.mirror.elsewhere import Elsewhere, Plain


class Both:
    """A folder and an account, and the mirror between them."""

    def __init__(self, folder: Path, database: Database, user: User, there: Elsewhere) -> None:
        self.here = folder
        self.there = there
        self._database = database
        self._user = user

    async def sync(self, removals: str = "") -> Mirrored:
        """As a new process does it: nothing is known but what is written down."""
        book = MirrorBook(self._database, self._user.id, self.there.name)
        folder = MirrorFolder(self.here, Plain())
        mirror = Mirror(folder, self.there, book, command="sync it")
        return await mirror.sync(removals=removals)

    async def sync_as_meant(self) -> Mirrored:
        """The same by somebody who means all that they have removed."""
        done = await self.sync()
        while done.is_held:
            done = await self.sync(mark_in(done))
        return done

    def restore(self) -> None:
        """Have the database know that it comes out of a backup."""
        bring_up(self._database.path)

    def write(self, name: str, text: str) -> None:
        self.here.mkdir(exist_ok=True)
        (self.here / name).write_text(text)

    @property
    def files(self) -> dict[str, str]:
        return {each.name: each.read_text() for each in sorted(self.here.iterdir())}

    @property
    def things(self) -> dict[str, str]:
        return {name: data.decode() for name, data in sorted(self.there.things.items())}

    def are_alike(self) -> bool:
        return {k: v.strip() for k, v in self.files.items()} == {
            k: v.strip() for k, v in self.things.items()
        }


@pytest.fixture(params=["incremental", "whole"])
def both(request: pytest.FixtureRequest, tmp_path: Path, database: Database, owner: User) -> Both:
    there = Elsewhere(is_incremental=request.param == "incremental")
    return Both(tmp_path / "mirror", database, owner, there)


async def test_what_is_new_on_either_side_comes_to_the_other(both: Both) -> None:
    both.write("mine.txt", "mine")
    both.there.edit("theirs.txt", b"theirs")

    done = await both.sync()

    assert (done.new, done.sent_new, done.failed) == (1, 1, 0)
    assert both.files == both.things == {"mine.txt": "mine", "theirs.txt": "theirs"}


async def test_a_repeat_changes_nothing(both: Both) -> None:
    both.write("mine.txt", "mine")
    both.there.edit("theirs.txt", b"theirs")
    await both.sync()

    done = await both.sync()

    assert (done.changes, done.conflicts, done.failed, done.unchanged) == (0, 0, 0, 2)


async def test_changes_and_removals_travel_both_ways(both: Both) -> None:
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        both.there.edit(name, b"first")
    await both.sync()

    both.write("a.txt", "changed here")
    both.there.edit("b.txt", b"changed there")
    (both.here / "c.txt").unlink()
    both.there.edit("d.txt", None)
    done = await both.sync()

    assert (done.sent, done.updated, done.sent_deleted, done.deleted) == (1, 1, 1, 1)
    assert both.files == both.things == {"a.txt": "changed here", "b.txt": "changed there"}


async def test_what_was_changed_on_both_sides_is_kept_twice(both: Both) -> None:
    both.there.edit("plan.txt", b"first")
    await both.sync()
    both.write("plan.txt", "ours")
    both.there.edit("plan.txt", b"theirs")

    done, again = await both.sync(), await both.sync()

    assert (done.conflicts, done.sent_new, again.changes) == (1, 1, 0)
    assert both.are_alike()
    assert sorted(both.files.values()) == ["copy of ours", "theirs"]
    assert both.files["plan.txt"] == "theirs"


@pytest.mark.case(58)
@pytest.mark.parametrize("is_removed_here", [False, True])
@pytest.mark.parametrize("meanwhile", [b"theirs", None])
async def test_who_changes_it_between_our_look_and_our_change_is_not_overwritten(
    both: Both, is_removed_here: bool, meanwhile: bytes | None
) -> None:
    both.there.edit("plan.txt", b"first")
    both.there.edit("stays.txt", b"stays")
    await both.sync()
    if is_removed_here:
        (both.here / "plan.txt").unlink()
    else:
        both.write("plan.txt", "ours")
    both.there.meanwhile = meanwhile

    done, again = await both.sync(), await both.sync()

    kept = ["stays", "theirs"] if meanwhile else ["stays"]
    if not is_removed_here:
        kept.append("copy of ours" if meanwhile else "ours")
    assert (done.failed, again.changes) == (0, 0)
    assert sorted(both.files.values()) == sorted(kept)
    assert both.are_alike()


@pytest.mark.parametrize("who_edits", ["here", "there"])
async def test_a_change_wins_over_a_removal(both: Both, who_edits: str) -> None:
    both.there.edit("plan.txt", b"first")
    both.there.edit("stays.txt", b"stays")
    await both.sync()
    if who_edits == "here":
        both.write("plan.txt", "edited")
        both.there.edit("plan.txt", None)
    else:
        (both.here / "plan.txt").unlink()
        both.there.edit("plan.txt", b"edited")

    done = await both.sync()

    assert done.conflicts == 1
    assert both.files == both.things == {"plan.txt": "edited", "stays.txt": "stays"}


async def test_the_same_on_both_sides_is_linked_and_not_doubled(both: Both) -> None:
    both.write("plan.txt", "the same\n")
    both.there.edit("plan.txt", b"the same")

    done = await both.sync()

    assert (done.changes, done.conflicts, done.unchanged) == (0, 0, 1)


async def test_a_bad_thing_is_told_each_time_and_the_others_are_synced(both: Both) -> None:
    both.write("refused.txt", "bad")
    both.write("good.txt", "good")
    both.there.edit("unreadable.txt", b"x")
    both.there.edit("fine.txt", b"fine")
    both.there.unreadable.add("unreadable.txt")

    first, second = await both.sync(), await both.sync()

    assert (first.failed, second.failed) == (2, 2)
    assert sorted(first.errors) == ["refused.txt: it is bad", "unreadable.txt: it can't be read"]
    assert (first.new, first.sent_new, second.changes) == (1, 1, 0)
    both.there.unreadable.clear()
    assert (await both.sync()).new == 1


async def test_a_folder_that_is_missing_is_filled_again_and_deletes_nothing(both: Both) -> None:
    both.there.edit("a.txt", b"a")
    await both.sync()
    (both.here / "a.txt").unlink()
    both.here.rmdir()

    done = await both.sync()

    assert (done.new, done.sent_deleted) == (1, 0)
    assert both.files == both.things == {"a.txt": "a"}


async def test_the_first_sync_after_a_restore_removes_nothing(both: Both) -> None:
    for name in ("only here.txt", "only there.txt", "both.txt", "newer.txt"):
        both.there.edit(name, b"then")
    await both.sync()
    both.there.edit("only here.txt", None)
    (both.here / "only there.txt").unlink()
    both.there.edit("newer.txt", b"since")
    both.restore()

    done = await both.sync()
    both.there.edit("both.txt", None)
    later = await both.sync()

    assert (done.deleted, done.sent_deleted, done.failed, done.conflicts) == (0, 0, 0, 0)
    assert (done.new, done.sent_new, done.updated, done.unchanged) == (1, 1, 1, 1)
    assert (later.deleted, later.changes) == (1, 1)
    assert both.files == both.things
    assert both.files == {"newer.txt": "since", "only here.txt": "then", "only there.txt": "then"}


def mark_in(done: Mirrored) -> str:
    """What a held sync says that a person is to repeat."""
    told = re.search(r"`sync it removals=(\w+)`", done.errors[-1])
    assert told
    return told[1]


def remove(both: Both, side: str, *names: str) -> None:
    for name in names:
        if side == "here":
            (both.here / name).unlink()
        else:
            both.there.edit(name, None)


@pytest.mark.parametrize("side", ["here", "there"])
@pytest.mark.parametrize(("known", "gone"), [(1, 1), (2, 2), (10, 10), (12, 11)])
async def test_a_side_that_lost_all_or_most_is_not_followed_until_somebody_says_so(
    both: Both, side: str, known: int, gone: int
) -> None:
    names = [f"{number}.txt" for number in range(known)]
    for name in names:
        both.there.edit(name, b"x")
    await both.sync()
    remove(both, side, *names[:gone])

    held, again = await both.sync(), await both.sync("another")

    assert (held.changes, held.failed, again.changes, again.is_held) == (0, 1, 0, True)
    assert "suddenly gone from the" in held.errors[0]
    assert f", {gone} of {known};" in held.errors[0]
    assert len(both.things if side == "here" else both.files) == known
    done = await both.sync(mark_in(held))
    assert (done.deleted + done.sent_deleted, done.failed) == (gone, 0)
    assert len(both.files) == len(both.things) == known - gone


async def test_what_somebody_said_of_some_does_not_hold_for_more(both: Both) -> None:
    names = [f"{number}.txt" for number in range(12)]
    for name in names:
        both.there.edit(name, b"x")
    await both.sync()
    remove(both, "here", *names[:11])
    mark = mark_in(await both.sync())
    remove(both, "here", names[11])

    done = await both.sync(mark)

    assert (done.is_held, done.sent_deleted, len(both.things)) == (True, 0, 12)


async def test_what_is_held_again_after_it_was_well_is_another_time(both: Both) -> None:
    both.there.edit("plan.txt", b"plan")
    await both.sync()
    remove(both, "here", "plan.txt")
    first = mark_in(await both.sync())
    assert mark_in(await both.sync()) == first
    both.write("plan.txt", "plan")
    assert not (await both.sync()).is_held
    remove(both, "here", "plan.txt")

    again = await both.sync()

    assert mark_in(again) != first
    assert (await both.sync(first)).is_held
    assert (await both.sync(mark_in(again))).sent_deleted == 1


@pytest.mark.parametrize("side", ["here", "there"])
async def test_what_comes_to_an_emptied_side_makes_no_removals_of_the_rest(
    both: Both, side: str
) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        both.there.edit(name, b"first")
    await both.sync()
    remove(both, side, "a.txt", "b.txt", "c.txt")
    both.write("new.txt", "here")
    both.there.edit("newer.txt", b"there")
    if side == "here":
        both.there.edit("a.txt", b"changed")

    first, second = await both.sync(), await both.sync()

    assert (first.changes, second.changes, first.is_held, second.is_held) == (0, 0, True, True)
    for name in ("a.txt", "b.txt", "c.txt"):  # the disk is back
        if side == "here":
            both.write(name, "first")
        else:
            both.there.edit(name, b"first")
    done = await both.sync()
    assert (done.deleted, done.sent_deleted, done.new, done.sent_new) == (0, 0, 1, 1)
    assert both.are_alike()
    assert len(both.files) == 5


async def test_what_is_gone_on_both_sides_is_no_question(both: Both) -> None:
    both.there.edit("a.txt", b"x")
    await both.sync()
    remove(both, "here", "a.txt")
    remove(both, "there", "a.txt")

    done = await both.sync()

    assert (done.is_held, done.failed, both.files, both.things) == (False, 0, {}, {})


async def test_what_a_listing_lacks_is_not_gone_if_it_is_there(both: Both) -> None:
    both.there.edit("plan.txt", b"plan")
    await both.sync()
    both.there.unlisted.add("plan.txt")

    done = await both.sync()

    assert (done.changes, both.files) == (0, {"plan.txt": "plan"})


async def test_a_renamed_file_is_not_removed_and_made_anew(both: Both) -> None:
    both.there.edit("plan.txt", b"plan")
    await both.sync()
    (both.here / "plan.txt").rename(both.here / "plans.txt")

    done, again = await both.sync(), await both.sync()

    assert (done.changes, again.changes) == (0, 0)
    assert (both.files, both.things) == ({"plans.txt": "plan"}, {"plan.txt": "plan"})
    both.there.edit("plan.txt", b"changed")
    await both.sync()
    assert both.files == {"plans.txt": "changed"}


async def test_links_folders_and_hidden_files_are_left_alone(both: Both, tmp_path: Path) -> None:
    both.write("plain.txt", "x")
    both.write(".hidden.txt", "x")
    both.write(".hidden.part", "x")
    both.write(".12-plain.txt.part", "what we were writing when we died")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (both.here / "link.txt").symlink_to(secret)
    (both.here / "folder.txt").mkdir()

    done = await both.sync()

    assert list(both.things) == ["plain.txt"]
    assert done.failed == 2
    assert {each.name for each in both.here.glob(".*")} == {".hidden.txt", ".hidden.part"}


@pytest.mark.case(58)
async def test_nothing_is_lost_or_doubled_whatever_fails(both: Both, tier: Tier, seed: int) -> None:
    """Both sides are changed at random while each call fails at some time, before or after."""
    random = Random(seed)
    edits = 0
    for _ in range(tier.of(12, 100)):
        latest = set[str]()
        for name in random.sample([f"{n}.txt" for n in range(8)], 3):
            edits += 1
            _edit_somewhere(both, random, name, f"edit {edits}", latest)
        both.there.calls = 0
        both.there.fails_at = (random.randrange(1, 8), random.choice(["before", "after"]))
        with suppress(RemoteUnavailable):
            await both.sync_as_meant()
        both.there.fails_at = (0, "")
        await both.sync_as_meant()
        kept = " ".join(both.files.values())
        assert both.are_alike()
        assert [text for text in latest if text not in kept] == []
        assert (await both.sync()).changes == 0


def _edit_somewhere(both: Both, random: Random, name: str, text: str, latest: set[str]) -> None:
    here, there = both.here / name, name in both.there.things
    where = random.choice(["here", "there", "both", "gone here", "gone there"])
    if where in ("here", "both"):
        both.write(name, f"{text} here")
        latest.add(f"{text} here")
    if where in ("there", "both"):
        both.there.edit(name, f"{text} there".encode())
        latest.add(f"{text} there")
    if where == "gone here":
        here.unlink(missing_ok=True)
    if where == "gone there" and there:
        both.there.edit(name, None)
