import os
from pathlib import Path

import pytest

from app.services.calendar import FolderCalendar, Snapshot, SourceUnavailable, Unchanged
from app.services.calendar.folder import FolderLimits

CALENDAR = "BEGIN:VCALENDAR\nEND:VCALENDAR\n"


async def snapshot(folder: Path, limits: FolderLimits | None = None) -> Snapshot:
    found = await FolderCalendar(folder, limits=limits or FolderLimits()).read(None)
    assert isinstance(found, Snapshot)
    return found


async def test_the_ics_files_of_a_folder_are_given(tmp_path: Path) -> None:
    for name in ("b.ics", "a.ICS", "notes.txt", ".hidden.ics", "a.ics~"):
        (tmp_path / name).write_text(CALENDAR)

    found = await snapshot(tmp_path)

    assert [file.name for file in found.files] == ["a.ICS", "b.ics"]
    assert found.problems == ()


async def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert (await snapshot(tmp_path / "calendar")).files == ()


async def test_a_folder_is_unchanged_until_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "a.ics").write_text(CALENDAR)
    folder = FolderCalendar(tmp_path)
    known = (await snapshot(tmp_path)).state

    assert await folder.read(known) == Unchanged()

    (tmp_path / "a.ics").write_text(CALENDAR + "X")
    assert isinstance(await folder.read(known), Snapshot)


async def test_a_file_that_was_renamed_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "a.ics").write_text(CALENDAR)
    known = (await snapshot(tmp_path)).state
    (tmp_path / "a.ics").rename(tmp_path / "b.ics")

    assert isinstance(await FolderCalendar(tmp_path).read(known), Snapshot)


async def test_a_link_to_a_calendar_elsewhere_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "calendar"
    folder.mkdir()
    (tmp_path / "elsewhere").write_text(CALENDAR)
    (folder / "a.ics").symlink_to(tmp_path / "elsewhere")

    (file,) = (await snapshot(folder)).files

    assert file.data == CALENDAR.encode()


async def test_what_is_no_file_is_a_problem_and_no_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ics")
    (tmp_path / "folder.ics").mkdir()
    (tmp_path / "zero.ics").symlink_to("/dev/zero")
    (tmp_path / "good.ics").write_text(CALENDAR)

    found = await snapshot(tmp_path)

    assert [file.name for file in found.files] == ["good.ics"]
    assert sorted(each.partition(":")[0] for each in found.problems) == [
        "folder.ics",
        "pipe.ics",
        "zero.ics",
    ]


async def test_a_broken_link_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.ics").symlink_to(tmp_path / "nowhere")

    found = await snapshot(tmp_path)

    assert (found.files, found.problems) == ((), ())


async def test_a_file_that_is_too_large_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "large.ics").write_bytes(b"x" * 2_000)
    (tmp_path / "small.ics").write_text(CALENDAR)

    found = await snapshot(tmp_path, FolderLimits(file=1_000))

    assert [file.name for file in found.files] == ["small.ics"]
    assert len(found.problems) == 1


async def test_all_files_together_have_a_limit(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.ics").write_bytes(b"x" * 900)

    found = await snapshot(tmp_path, FolderLimits(total=2_000))

    assert [file.name for file in found.files] == ["a.ics", "b.ics"]
    assert found.problems[0].startswith("c.ics: it is larger than")


async def test_a_flooded_folder_can_not_be_read(tmp_path: Path) -> None:
    for n in range(4):
        (tmp_path / f"{n}.ics").write_text(CALENDAR)

    with pytest.raises(SourceUnavailable, match="more than 3 files"):
        await snapshot(tmp_path, FolderLimits(files=3))


async def test_a_file_in_place_of_the_folder_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "calendar").write_text(CALENDAR)

    with pytest.raises(SourceUnavailable):
        await snapshot(tmp_path / "calendar")
