"""Two folders kept alike: what goes where, what is kept twice, and what is never lost."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from app.services.file_sync import FileSync, FileSyncStatus, NotTheFolder
from app.services.file_sync.plan import Act, decide, other_name
from app.services.tree import PART
from app.storage.database import Database
from app.storage.restored import bring_up
from app.storage.synced_files import SyncedFileRow
from tests.services.backup.conftest import contents

DIGESTS = st.sampled_from([None, "a", "b", "c"])


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


@pytest.fixture
def sync(database: Database, here: Path, there: Path) -> FileSync:
    return FileSync(database, here, there)


def files(folder: Path) -> dict[str, bytes]:
    """What is in a folder, its mark left aside."""
    return {
        name: data
        for name, data in contents(folder).items()
        if data is not None and not name.startswith(".steward-sync-")
    }


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


@given(then=DIGESTS, here=DIGESTS, there=DIGESTS)
def test_what_was_written_on_one_side_is_lost_on_none(
    then: str | None, here: str | None, there: str | None
) -> None:
    match decide(then, here, there):
        case Act.NOTHING:
            left = {here, there}
            assert here == there
        case Act.SEND:
            left = {here}
        case Act.FETCH:
            left = {there}
        case Act.REMOVE_HERE | Act.REMOVE_THERE:
            left = {None}
        case Act.KEEP_BOTH:
            left = {here, there}
    assert {here, there} - {then, None} <= left


@pytest.mark.parametrize(
    "name", ["a.txt", "folder/a.txt", "ü" * 126 + ".txt", "x" * 255, ".e" * 120]
)
def test_the_other_name_is_always_the_same_and_fits(name: str) -> None:
    other = other_name(name, "12345678" * 8)

    assert other == other_name(name, "12345678" * 8) != name
    assert "(conflict 12345678)" in other
    assert len(os.fsencode(other.rpartition("/")[2])) <= 255
    assert other.rpartition("/")[0] == name.rpartition("/")[0]


def remove_mark(folder: Path) -> None:
    for mark in folder.glob(".steward-sync-*"):
        mark.unlink()


async def test_changes_go_both_ways(sync: FileSync, here: Path, there: Path) -> None:
    write(here, "mine/a.txt", b"from here")
    write(there, "theirs/b.txt", b"from there" * 1_000)
    write(here, "same.txt", b"same")
    write(there, "same.txt", b"same")
    os.utime(here / "mine/a.txt", (1_600_000_000, 1_600_000_000))

    done = await sync.sync()
    again = await sync.sync()

    assert files(here) == files(there)
    assert files(here).keys() == {"mine/a.txt", "theirs/b.txt", "same.txt"}
    assert (done.sent, done.fetched, done.unchanged) == (1, 1, 1)
    assert done.bytes_copied == 9 + 10_000
    assert (there / "mine/a.txt").stat().st_mtime == 1_600_000_000
    assert (again.sent, again.fetched, again.bytes_copied, again.unchanged) == (0, 0, 0, 3)


async def test_what_changed_is_brought_over_whatever_its_time_says(
    sync: FileSync, here: Path, there: Path
) -> None:
    for name in ("a", "b"):
        write(here, name, b"old")
    await sync.sync()
    write(here, "a", b"new")
    os.utime(here / "a", (0, 0))
    write(there, "b", b"newer")

    done = await sync.sync()

    assert files(here) == files(there) == {"a": b"new", "b": b"newer"}
    assert (done.sent, done.fetched) == (1, 1)


async def test_what_was_removed_on_one_side_goes_on_the_other(
    sync: FileSync, here: Path, there: Path
) -> None:
    for name in ("deep/er/a", "b", "kept"):
        write(here, name, b"x")
    await sync.sync()
    (here / "deep/er/a").unlink()
    (there / "b").unlink()

    done = await sync.sync()

    assert files(here) == files(there) == {"kept": b"x"}
    assert not (there / "deep").exists()
    assert (done.removed_here, done.removed_there) == (1, 1)


async def test_the_first_sync_after_a_restore_removes_nothing(
    sync: FileSync, database: Database, here: Path, there: Path
) -> None:
    for name in ("only here", "only there", "both", "newer"):
        write(here, name, b"then")
    await sync.sync()
    (there / "only here").unlink()
    (here / "only there").unlink()
    write(there, "newer", b"since")
    bring_up(database.path)

    would = await sync.sync(dry_run=True)
    done = await sync.sync()
    (there / "both").unlink()
    later = await sync.sync()

    assert (would.removed_here, would.removed_there, would.sent, would.fetched) == (0, 0, 1, 2)
    assert (done.removed_here, done.removed_there, done.conflicts) == (0, 0, 0)
    assert (done.sent, done.fetched, done.unchanged) == (1, 2, 1)
    assert (later.removed_here, later.removed_there, later.sent, later.fetched) == (1, 0, 0, 0)
    assert files(here) == files(there)
    assert files(here) == {"newer": b"since", "only here": b"then", "only there": b"then"}


async def test_a_restore_of_empty_folders_is_over_after_one_sync(
    sync: FileSync, database: Database, here: Path, there: Path
) -> None:
    await sync.sync()
    bring_up(database.path)
    await sync.sync()
    write(here, "tea", b"new")
    await sync.sync()
    (there / "tea").unlink()

    done = await sync.sync()

    assert (done.removed_here, done.sent) == (1, 0)


async def test_what_was_changed_wins_over_what_was_removed(
    sync: FileSync, here: Path, there: Path
) -> None:
    for name in ("a", "b"):
        write(here, name, b"old")
    await sync.sync()
    (here / "a").unlink()
    write(there, "a", b"new a")
    write(here, "b", b"new b")
    (there / "b").unlink()

    await sync.sync()

    assert files(here) == files(there) == {"a": b"new a", "b": b"new b"}


async def test_what_changed_on_both_sides_is_kept_twice(
    sync: FileSync, here: Path, there: Path
) -> None:
    write(here, "a.txt", b"old")
    await sync.sync()
    write(here, "a.txt", b"ours")
    write(there, "a.txt", b"theirs")

    done = await sync.sync()
    again = await sync.sync()

    assert files(here) == files(there)
    assert sorted(files(here).values()) == [b"ours", b"theirs"]
    assert files(here)["a.txt"] == b"ours"
    assert done.conflicts == 1
    assert (again.conflicts, again.unchanged, again.bytes_copied) == (0, 2, 0)


async def test_a_sync_that_was_killed_goes_on_and_keeps_no_third(
    sync: FileSync, here: Path, there: Path, database: Database
) -> None:
    write(here, "a.txt", b"ours")
    write(here, "b.txt", b"sent")
    write(there, "a.txt", b"theirs")
    await sync.sync()
    wanted = files(here)
    async with database.write() as session:  # killed before any of it was written down
        await session.execute(delete(SyncedFileRow).where(SyncedFileRow.path != ""))
    write(there, f"{PART}0123", b"half writ")
    write(there, "a.txt", b"theirs")  # as it was before the last of its three steps

    done = await sync.sync()

    assert files(here) == files(there) == wanted
    assert len(wanted) == 3
    assert (done.conflicts, done.unchanged, done.bytes_copied) == (1, 2, 4)


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    sync: FileSync, here: Path, there: Path
) -> None:
    write(here, "a", b"12345")
    write(there, "b", b"1")
    before = contents(here), contents(there)

    dry = await sync.sync(dry_run=True)
    assert (contents(here), contents(there)) == before
    real = await sync.sync()

    assert (dry.sent, dry.fetched, dry.bytes_copied) == (real.sent, real.fetched, 6)


async def test_an_empty_place_where_a_disk_should_be_removes_nothing(
    sync: FileSync, here: Path, there: Path
) -> None:
    write(here, "precious", b"x")
    await sync.sync()
    os.rename(there, there.with_name("unmounted"))
    os.mkdir(there)

    with pytest.raises(NotTheFolder, match="is a disk not mounted"):
        await sync.sync()

    assert files(here) == {"precious": b"x"}
    assert files(there) == {}


async def test_two_folders_that_begin_anew_are_brought_together(
    sync: FileSync, here: Path, there: Path
) -> None:
    write(here, "a", b"x")
    await sync.sync()
    for folder in (here, there):
        remove_mark(folder)
    (here / "a").unlink()

    done = await sync.sync()

    assert files(here) == files(there) == {"a": b"x"}
    assert done.removed_there == 0


async def test_a_folder_that_is_not_there_is_no_success(
    database: Database, here: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        await FileSync(database, here, tmp_path / "nowhere").sync()


async def test_without_a_second_folder_it_is_not_configured(database: Database, here: Path) -> None:
    assert (await FileSync(database, here, None).sync()).status is FileSyncStatus.NOT_CONFIGURED


@pytest.mark.case(64)
async def test_links_are_neither_followed_nor_brought_over(
    sync: FileSync, here: Path, there: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (here / "link").symlink_to("/etc/passwd")
    (there / "folder").symlink_to(tmp_path / "outside")
    write(here, "folder/a", b"x")
    write(here, "b", b"x")

    done = await sync.sync()

    assert contents(tmp_path / "outside") == {}
    assert files(there)["b"] == b"x"
    assert (done.failed, done.skipped, done.sent) == (1, 2, 1)
    assert done.status is FileSyncStatus.PARTIAL_SUCCESS


async def test_what_can_not_be_read_is_left_as_it_is_and_told(
    sync: FileSync, here: Path, there: Path
) -> None:
    write(here, "a", b"x")
    await sync.sync()
    deep = here / "/".join("d" * 120)
    deep.mkdir(parents=True)
    write(there, "a", b"changed")

    done = await sync.sync()

    assert (done.fetched, done.failed) == (1, 1)
    assert "too many folders" in done.errors[0]


async def test_a_file_and_a_folder_of_one_name_are_told_and_stay(
    sync: FileSync, here: Path, there: Path
) -> None:
    write(here, "a", b"a file")
    write(there, "a/b", b"in a folder")

    done = await sync.sync()

    assert files(here) == {"a": b"a file"}
    assert files(there) == {"a/b": b"in a folder"}
    assert done.failed == 2


@pytest.mark.case(64)
async def test_names_of_any_bytes_are_brought_over(sync: FileSync, here: Path, there: Path) -> None:
    for name in (b"\xff\xfe", b"new\nline", b"\x1b[31mred", b"~", b"-rf", b"%41"):
        write(here, os.fsdecode(name), name)

    await sync.sync()
    again = await sync.sync()

    assert files(there) == files(here)
    assert (again.unchanged, again.sent) == (6, 0)
