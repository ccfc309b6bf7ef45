import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.services.entries import Entry, entries, opened
from app.services.files import CleanedStatus, Files, FilesCleaned, UnsafeFolder
from app.services.sweep import Sweep

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def write(path: Path, size: int = 5_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def arrived(path: Path) -> datetime:
    with opened(path.parent) as folder:
        return next(each.arrived_at for each in entries(folder) if each.name == path.name)


def on_disk(*paths: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in paths)


def seen(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def clean(*folders: Path, after: timedelta = 2 * DAY, dry_run: bool = False) -> FilesCleaned:
    later = datetime.now().astimezone() + after
    return await Files(folders, temp_keep=DAY, now=lambda: later).clean_temp(dry_run=dry_run)


async def test_old_files_are_removed_and_their_bytes_counted(temp: Path) -> None:
    paths = [write(temp / "a", 10), write(temp / "b", 100_000), write(temp / "folder/c")]
    freed = on_disk(*paths)

    cleaned = await clean(temp)

    assert seen(temp) == set()
    assert (cleaned.removed, cleaned.folders_removed, cleaned.freed_bytes) == (3, 1, freed)
    assert cleaned.status is CleanedStatus.SUCCESS
    assert cleaned.paths == ("a", "b", "folder/c")


async def test_young_files_are_kept(temp: Path) -> None:
    write(temp / "folder/young")

    cleaned = await clean(temp, after=DAY - timedelta(minutes=1))

    assert seen(temp) == {"folder", "folder/young"}
    assert (cleaned.removed, cleaned.kept, cleaned.folders_removed) == (0, 1, 0)


@pytest.mark.parametrize(("age", "left"), [(DAY, {"a"}), (DAY + MOMENT, set[str]())])
async def test_a_file_goes_when_it_is_older_than_a_day_and_not_before(
    temp: Path, age: timedelta, left: set[str]
) -> None:
    then = arrived(write(temp / "a")) + age

    await Files([temp], temp_keep=DAY, now=lambda: then).clean_temp()

    assert seen(temp) == left


async def test_a_file_that_arrived_with_an_old_date_is_new(temp: Path) -> None:
    os.utime(write(temp / "unpacked"), (0, 0))

    assert (await clean(temp, after=timedelta(0))).kept == 1


async def test_a_dry_run_says_the_same_and_removes_nothing(temp: Path) -> None:
    write(temp / "a")
    write(temp / "folder/b")
    os.link(temp / "a", temp / "twin")
    before = seen(temp)

    dry = await clean(temp, dry_run=True)
    assert seen(temp) == before

    real = await clean(temp)
    assert dry.dry_run
    assert (dry.removed, dry.folders_removed, dry.freed_bytes, dry.kept, dry.paths) == (
        real.removed,
        real.folders_removed,
        real.freed_bytes,
        real.kept,
        real.paths,
    )


async def test_a_second_run_finds_nothing(temp: Path) -> None:
    write(temp / "a")
    await clean(temp)

    assert (await clean(temp)).removed == 0


async def test_a_folder_with_a_young_file_stays(temp: Path) -> None:
    write(temp / "folder/deep/old")
    later = arrived(temp / "folder/deep/old") + DAY + MOMENT
    write(temp / "folder/young")
    os.utime(temp / "folder/young", (later.timestamp(), later.timestamp()))

    cleaned = await Files([temp], temp_keep=DAY, now=lambda: later).clean_temp()

    assert "folder/young" in seen(temp)
    assert cleaned.kept == 1


@pytest.mark.case(64)
async def test_a_link_is_removed_and_what_it_leads_to_is_not(temp: Path, tmp_path: Path) -> None:
    precious = write(tmp_path / "precious/file")
    (temp / "to_file").symlink_to(precious)
    (temp / "to_folder").symlink_to(precious.parent)
    (temp / "to_root").symlink_to("/")
    (temp / "up").symlink_to("..")
    (temp / "loop").symlink_to("loop")

    cleaned = await clean(temp)

    assert precious.exists()
    assert seen(temp) == set()
    assert cleaned.removed == 5


@pytest.mark.case(64)
async def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    precious = write(tmp_path / "precious/file")
    (tmp_path / "link").symlink_to(precious.parent)

    with pytest.raises(OSError, match="link"):
        await clean(tmp_path / "link")

    assert precious.exists()


class Swap:
    """Puts a link in place of a folder the moment the sweep looks at its neighbour."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._folder = folder
        self._target = target
        self._is_done = False

    def __call__(self) -> bool:
        if not self._is_done:
            self._is_done = True
            self._folder.rename(self._folder.with_name("moved"))
            self._folder.symlink_to(self._target)
        return False


@pytest.mark.case(64)
def test_a_folder_swapped_for_a_link_is_not_followed(temp: Path, tmp_path: Path) -> None:
    precious = write(tmp_path / "precious/file")
    write(temp / "victim/file")
    later = datetime.now().astimezone() + 2 * DAY
    swap = Swap(temp / "victim", precious.parent)

    sweep = Sweep(before=later, dry_run=False, stop=swap)
    sweep.clear(temp)

    assert precious.exists()
    assert sweep.failed == 1
    assert sweep.errors[0].startswith("victim/: ")


@pytest.mark.case(64)
async def test_hard_links_free_their_bytes_once_and_only_with_the_last_name(
    temp: Path, tmp_path: Path
) -> None:
    inside = write(temp / "a", 50_000)
    os.link(inside, temp / "b")
    outside = write(tmp_path / "kept", 50_000)
    os.link(outside, temp / "c")
    freed = on_disk(inside)

    cleaned = await clean(temp)

    assert (cleaned.removed, cleaned.freed_bytes) == (3, freed)
    assert outside.stat().st_size == 50_000


async def test_a_sparse_file_frees_only_what_it_takes_up(temp: Path) -> None:
    with (temp / "sparse").open("wb") as file:
        file.truncate(10 * 1024**3)
    freed = on_disk(temp / "sparse")

    assert (await clean(temp)).freed_bytes == freed < 1024**2


@pytest.mark.case(64)
async def test_sockets_and_pipes_are_left_alone(temp: Path) -> None:
    os.mkfifo(temp / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(temp / "s"))

        cleaned = await clean(temp)

    assert seen(temp) == {"pipe", "s"}
    assert cleaned.kept == 2


@pytest.mark.case(64)
async def test_folders_inside_each_other_have_an_end(temp: Path) -> None:
    deep = temp
    for _ in range(120):
        deep = deep / "d"
    write(deep / "file")

    cleaned = await clean(temp)

    assert cleaned.failed == 1
    assert cleaned.status is CleanedStatus.PARTIAL_SUCCESS
    assert "too many folders" in cleaned.errors[0]


@pytest.mark.case(64)
async def test_names_of_any_bytes_are_removed_and_told(temp: Path) -> None:
    for name in (b"\xff\xfe", b"new\nline", b"\x1b[31mred", b"..x", b"-rf", b"*", "ü".encode()):
        (temp / os.fsdecode(name)).write_text("x")

    cleaned = await clean(temp)

    assert seen(temp) == set()
    assert cleaned.removed == 7
    assert all(each.isprintable() for each in cleaned.paths)
    assert "\\xff\\xfe" in cleaned.paths


def test_what_vanishes_meanwhile_is_no_error(temp: Path) -> None:
    for name in "abc":
        write(temp / name)

    def remove_next() -> bool:
        next(iter(sorted(temp.iterdir(), reverse=True)), temp / "none").unlink(missing_ok=True)
        return False

    sweep = Sweep(before=datetime.now().astimezone() + DAY, dry_run=False, stop=remove_next)
    sweep.clear(temp)

    assert (sweep.failed, seen(temp)) == (0, set())
    assert sweep.removed < 3


def test_a_sweep_that_is_told_to_stop_stops(temp: Path) -> None:
    write(temp / "a")
    sweep = Sweep(before=datetime.now().astimezone() + DAY, dry_run=False, stop=lambda: True)

    sweep.clear(temp)

    assert seen(temp) == {"a"}


async def test_a_folder_that_is_not_there_is_clean(tmp_path: Path) -> None:
    assert (await clean(tmp_path / "nowhere")).status is CleanedStatus.SUCCESS


async def test_one_folder_that_fails_does_not_stop_the_others(temp: Path, tmp_path: Path) -> None:
    write(temp / "a")
    broken = write(tmp_path / "broken")

    cleaned = await clean(broken, temp)

    assert (cleaned.removed, cleaned.failed) == (1, 1)
    assert cleaned.status is CleanedStatus.PARTIAL_SUCCESS


async def test_when_no_folder_can_be_looked_into_it_fails(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"):
        await clean(write(tmp_path / "broken"))


@pytest.mark.parametrize(
    "folder",
    [Path("/"), Path.home(), Path.home().parent, Path("relative"), Path("/tmp/..")],
)
def test_folders_that_nobody_means_are_refused(folder: Path) -> None:
    with pytest.raises(UnsafeFolder):
        Files([folder])


def test_an_entry_can_not_be_opened_once_it_is_a_link(temp: Path) -> None:
    write(temp / "a")
    with opened(temp) as folder:
        entry: Entry = next(entries(folder))
        (temp / "a").unlink()
        (temp / "a").symlink_to("/etc/passwd")

        with pytest.raises(OSError, match="symbolic links"):
            entry.open_file()
