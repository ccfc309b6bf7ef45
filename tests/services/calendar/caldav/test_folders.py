"""A calendar stays in its folder, whatever it or another is called by now."""

from pathlib import Path

from app.services.calendar.caldav.discovery import Found
from app.services.calendar.caldav.folders import folders_of, mark


def work(title: str = "Work") -> Found:
    return Found(url="https://dav.example.com/work/", title=title)


def other(title: str) -> Found:
    return Found(url="https://dav.example.com/another/", title=title)


def names(root: Path, *calendars: Found) -> list[str]:
    return [folder.name for _, folder in folders_of(calendars, root)]


def mirrored(root: Path, *calendars: Found) -> None:
    for calendar, folder in folders_of(calendars, root):
        folder.mkdir(parents=True)
        mark(folder, calendar)


def test_a_new_calendar_is_named_by_its_title(tmp_path: Path) -> None:
    assert names(tmp_path / "none", work(), other("a/b:c. ")) == ["Work", "a-b-c"]


def test_a_second_calendar_of_one_title_does_not_take_the_folder_of_the_first(
    tmp_path: Path,
) -> None:
    mirrored(tmp_path, work())

    new, old = names(tmp_path, other("work"), work())

    assert old == "Work"
    assert new.startswith("work (")


def test_calendars_that_change_their_titles_keep_their_folders(tmp_path: Path) -> None:
    mirrored(tmp_path, work(), other("Home"))

    assert names(tmp_path, work("Home"), other("Work")) == ["Work", "Home"]


def test_a_folder_that_was_there_before_is_taken_and_one_that_is_not_is_not_made(
    tmp_path: Path,
) -> None:
    (tmp_path / "Work").mkdir()
    mark(tmp_path / "nowhere", work())

    assert names(tmp_path, work()) == ["Work"]
    assert [each.name for each in tmp_path.iterdir()] == ["Work"]


def test_of_a_folder_and_its_copy_one_is_the_calendars(tmp_path: Path) -> None:
    mirrored(tmp_path, work())
    (tmp_path / "Work (a copy)").mkdir()
    mark(tmp_path / "Work (a copy)", work())

    assert names(tmp_path, work()) == ["Work"]
