"""The organizer: what goes where, what is left, and that nothing is ever overwritten."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from app.services.file_kinds import folder_for
from app.services.organizer import OrganizedStatus, Organizer
from tests.services.backup.conftest import contents
from tests.storage.still_clock import TICK, StillClock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def organizer(incoming: Path, folder: Path, still: StillClock) -> Organizer:
    return Organizer(incoming, folder, rules={"*Invoice*.pdf": "documents/invoices"}, now=still.now)


def put(folder: Path, name: str, content: bytes = b"x", *, still: StillClock) -> Path:
    path = folder / name
    path.write_bytes(content)
    old = (still.now() - 2 * MINUTE).timestamp()
    os.utime(path, (old, old))
    return path


@pytest.mark.parametrize(
    ("name", "head", "where"),
    [
        ("tea.PDF", b"", "documents"),
        ("tea.tar.gz", b"", "archives"),
        ("scan", b"%PDF-1.7", "documents"),
        ("photo", b"\xff\xd8\xff\xe0", "images"),
        ("clip", b"\0\0\0\x18ftypmp42", "video"),
        ("pic", b"\0\0\0\x18ftypheic", "images"),
        ("sound", b"RIFF\0\0\0\0WAVE", "audio"),
        ("pic2", b"RIFF\0\0\0\0WEBP", "images"),
        ("what", b"", "other"),
        ("what.xyz", b"\0\1\2", "other"),
        (".pdf", b"", "other"),
        ("evil.pdf.exe", b"MZ", "other"),
        ("my invoice 7.pdf", b"", "papers"),
        ("{x.__class__}.%n", b"", "other"),
    ],
)
def test_a_file_belongs_where_its_kind_or_a_rule_says(name: str, head: bytes, where: str) -> None:
    assert folder_for(name, head, {"*Invoice*": "papers", "*.pdf.x": "never"}) == where


async def test_files_are_put_into_the_folders_of_their_kinds(
    organizer: Organizer, incoming: Path, folder: Path, still: StillClock
) -> None:
    put(incoming, "tea.jpg", b"a picture", still=still)
    put(incoming, "invoice-7.pdf", b"to be paid", still=still)
    put(incoming, "song.mp3", b"a song", still=still)
    before = (incoming / "tea.jpg").stat()

    done = await organizer.organize()
    again = await organizer.organize()

    assert contents(incoming) == {}
    found = {name: data for name, data in contents(folder).items() if data is not None}
    assert found == {
        "images/tea.jpg": b"a picture",
        "documents/invoices/invoice-7.pdf": b"to be paid",
        "audio/song.mp3": b"a song",
    }
    assert (folder / "images/tea.jpg").stat().st_mtime_ns == before.st_mtime_ns
    assert done.folders == {"images": 1, "documents/invoices": 1, "audio": 1}
    assert (done.moved, done.status, again.moved) == (3, OrganizedStatus.SUCCESS, 0)
    assert "tea.jpg -> images/tea.jpg" in done.moves


async def test_a_dry_run_says_the_same_and_moves_nothing(
    organizer: Organizer, incoming: Path, folder: Path, still: StillClock
) -> None:
    put(incoming, "tea.jpg", still=still)

    dry = await organizer.organize(dry_run=True)
    assert (incoming / "tea.jpg").exists()
    assert contents(folder) == {}
    real = await organizer.organize()

    assert dry.dry_run
    assert (dry.moved, dry.folders, dry.moves) == (real.moved, real.folders, real.moves)


async def test_no_file_is_overwritten(
    organizer: Organizer, incoming: Path, folder: Path, still: StillClock
) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "images/tea.jpg").write_bytes(b"the first")
    (folder / "images/tea (2).jpg").symlink_to("/etc/passwd")
    put(incoming, "tea.jpg", b"the other", still=still)

    done = await organizer.organize()

    assert (folder / "images/tea.jpg").read_bytes() == b"the first"
    assert (folder / "images/tea (3).jpg").read_bytes() == b"the other"
    assert (done.moved, done.already_there) == (1, 0)


async def test_the_same_file_is_kept_once(
    organizer: Organizer, incoming: Path, folder: Path, still: StillClock
) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "images/tea.jpg").write_bytes(b"the same")
    put(incoming, "tea.jpg", b"the same", still=still)

    done = await organizer.organize()

    assert (done.moved, done.already_there) == (0, 1)
    assert contents(folder, "images") == {"images/tea.jpg": b"the same"}
    assert contents(incoming) == {}


async def test_a_move_that_was_killed_between_its_two_steps_is_finished(
    organizer: Organizer, incoming: Path, folder: Path, still: StillClock
) -> None:
    file = put(incoming, "tea.jpg", b"one file", still=still)
    (folder / "images").mkdir(parents=True)
    os.link(file, folder / "images/tea.jpg")

    await organizer.organize()

    assert contents(incoming) == {}
    assert (folder / "images/tea.jpg").stat().st_nlink == 1


@pytest.mark.parametrize(("age", "left"), [(MINUTE - TICK, 1), (MINUTE, 0)])
async def test_a_file_is_left_alone_for_a_minute_and_no_longer(
    *, organizer: Organizer, incoming: Path, still: StillClock, age: timedelta, left: int
) -> None:
    (incoming / "tea.jpg").write_bytes(b"x")
    written = still.now().timestamp()
    os.utime(incoming / "tea.jpg", (written, written))
    still.advance(age)

    assert (await organizer.organize()).left == left


async def test_what_is_unfinished_hidden_or_no_file_is_left(
    organizer: Organizer, incoming: Path, folder: Path, still: StillClock
) -> None:
    for name in ("a.pdf.part", "b.crdownload", ".hidden", "~lock.odt", "c.txt~"):
        put(incoming, name, still=still)
    (incoming / "folder").mkdir()
    put(incoming / "folder", "inside.jpg", still=still)
    (incoming / "link.jpg").symlink_to("/etc/passwd")
    os.mkfifo(incoming / "pipe.jpg")

    done = await organizer.organize()

    assert (done.moved, done.left) == (0, 8)
    assert contents(folder) == {}


@pytest.mark.case(64)
async def test_a_folder_that_is_a_link_is_not_written_through(
    organizer: Organizer, incoming: Path, folder: Path, tmp_path: Path, still: StillClock
) -> None:
    (tmp_path / "outside").mkdir()
    os.mkdir(folder)
    (folder / "images").symlink_to(tmp_path / "outside")
    put(incoming, "tea.jpg", still=still)
    put(incoming, "tea.mp3", still=still)

    done = await organizer.organize()

    assert contents(tmp_path / "outside") == {}
    assert (incoming / "tea.jpg").exists()
    assert (done.failed, done.moved) == (1, 1)
    assert done.status is OrganizedStatus.PARTIAL_SUCCESS
    assert done.errors[0].startswith("tea.jpg: ")


@pytest.mark.case(63)
@pytest.mark.case(64)
async def test_names_of_any_bytes_stay_as_they_are(
    organizer: Organizer, incoming: Path, folder: Path, still: StillClock
) -> None:
    names = [b"\xff\xfe", b"new\nline", b"\x1b[31mred.jpg", b"-rf", b"{{7*7}}.pdf", b"=HYPERLINK()"]
    for name in names:
        put(incoming, os.fsdecode(name), name, still=still)

    done = await organizer.organize()

    found = {os.fsencode(Path(each).name) for each, data in contents(folder).items() if data}
    assert found == set(names)
    assert all(each.isprintable() for each in done.moves)


@pytest.mark.parametrize("outside", ["../x", "/etc", "", "a//b", "a/../../b"])
def test_a_rule_that_leads_out_is_refused(incoming: Path, folder: Path, outside: str) -> None:
    with pytest.raises(ValueError, match="no path below"):
        Organizer(incoming, folder, rules={"*": outside})


async def test_without_anything_incoming_there_is_nothing_to_do(
    tmp_path: Path, folder: Path
) -> None:
    assert (await Organizer(tmp_path / "nowhere", folder).organize()).moved == 0


async def test_what_is_no_folder_is_no_success(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "incoming").write_text("x")

    with pytest.raises(OSError, match="directory"):
        await Organizer(tmp_path / "incoming", folder).organize()
