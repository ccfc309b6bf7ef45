"""A tree is read and written without ever leaving it, whoever swaps what meanwhile."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from app.services.tree import PART, Found, Tree, Unread, open_tree, read_path, split, written


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/precious").write_text("precious")
    return tmp_path / "outside"


@pytest.fixture
def tree(root: Path) -> Generator[Tree]:
    with open_tree(root) as opened:
        yield opened


def test_a_file_is_written_whole_with_its_mode_and_time(tree: Tree, root: Path) -> None:
    tree.write("a/b/c", [b"one", b"two"], mode=0o640, mtime_ns=1_600_000_000_123_456_789)

    status = (root / "a/b/c").stat()
    assert (root / "a/b/c").read_bytes() == b"onetwo"
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o640, 1_600_000_000_123_456_789)


def test_what_fails_in_the_middle_leaves_what_was_there(tree: Tree, root: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("gone")

    tree.write("a", [b"old"])
    with pytest.raises(ConnectionError):
        tree.write("a", broken(), replace=True)

    assert {each.name: each.read_bytes() for each in root.iterdir()} == {"a": b"old"}


def test_a_file_that_is_there_is_replaced_only_where_that_was_meant(tree: Tree, root: Path) -> None:
    tree.write("a", [b"old"])

    with pytest.raises(FileExistsError):
        tree.write("a", [b"new"])
    with pytest.raises(BlockingIOError):
        tree.write("a", [b"new"], replace=True, may_replace=lambda: False)
    assert (root / "a").read_bytes() == b"old"
    tree.write("a", [b"new"], replace=True)

    assert {each.name: each.read_bytes() for each in root.iterdir()} == {"a": b"new"}


@pytest.mark.case(64)
@pytest.mark.parametrize("path", ["", ".", "..", "/etc/passwd", "a/../b", "a//b", "a/", "a\0b"])
def test_a_path_that_could_lead_out_is_none(tree: Tree, path: str) -> None:
    with pytest.raises(ValueError, match="no path below"):
        split(path)
    with pytest.raises(ValueError, match="no path below"):
        tree.write(path, [b"x"])


@pytest.mark.case(64)
def test_links_lead_nowhere(tree: Tree, root: Path, outside: Path) -> None:
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "precious")

    acts: list[Callable[[], None]] = [
        lambda: tree.write("folder/new", [b"x"]),
        lambda: tree.write("folder/precious", [b"x"], replace=True),
        lambda: tree.remove("folder/precious"),
        lambda: os.close(tree.open_file("folder/precious")),
        lambda: os.close(tree.open_file("file")),
        lambda: tree.make_folder("folder/new"),
    ]
    for act in acts:
        with pytest.raises(OSError, match=r"directory|symbolic links"):
            act()
    tree.write("file", [b"ours"], replace=True)

    assert [each.name for each in outside.iterdir()] == ["precious"]
    assert (outside / "precious").read_text() == "precious"
    assert (root / "file").read_bytes() == b"ours"


@pytest.mark.case(64)
def test_a_folder_swapped_for_a_link_in_the_middle_of_a_walk_is_not_followed(
    tree: Tree, root: Path, outside: Path
) -> None:
    tree.write("victim/file", [b"x"])
    walk = tree.walk()
    first = next(walk)
    assert isinstance(first, Found)
    (root / "victim").rename(root / "moved")
    (root / "victim").symlink_to(outside)

    rest = [*walk]

    assert first.path == "victim"
    assert [each for each in rest if isinstance(each, Unread)]
    assert not any("precious" in each.path for each in rest)


def test_parts_are_passed_over_and_cleared_away(tree: Tree, root: Path) -> None:
    tree.write("a/b", [b"x"])
    (root / f"{PART}1").write_text("half")
    (root / f"a/{PART}2").write_text("half")

    assert [each.path for each in tree.walk()] == ["a", "a/b"]
    tree.remove_parts()

    assert {each.name for each in root.rglob("*")} == {"a", "b"}


@pytest.mark.parametrize("name", [b"\xff\xfe", b"%41", b"a b", b"\n", "ü".encode(), b"~/x"])
def test_a_name_of_any_bytes_can_be_written_down_and_read(name: bytes) -> None:
    text = written(os.fsdecode(name))

    assert text.isascii()
    assert text.isprintable()
    assert os.fsencode(read_path(text)) == name
