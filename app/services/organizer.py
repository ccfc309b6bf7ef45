"""Puts files that came in into the folder of their kind; none is ever overwritten.

A file is moved by giving it its new name first and taking the old one away after that. Killed in
between it has both, and the next time the old one goes. One whose name is taken gets another,
unless the very same file lies there already. What is young, hidden or unfinished is left alone, and
so are folders and links.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from errno import EXDEV
from hashlib import file_digest
from pathlib import Path
from threading import Event

from anyio.to_thread import run_sync

from app.services.entries import Entry, entries, opened, shown
from app.services.file_kinds import HEAD, folder_for, is_unfinished
from app.services.tree import Stopped, Tree, chunks_of, open_tree, reason_of, split
from app.storage.clock import Now, utc_now

_TOLD = 20  # moves and errors in a result; all are counted
_MOST_NAMES = 1_000  # tried for one file


class OrganizedStatus(StrEnum):
    """How it went, on the whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    """Something could not be moved; the rest was."""


@dataclass(slots=True, kw_only=True)
class FilesOrganized:
    """What was put into its folder, or would have been in a dry run."""

    status: OrganizedStatus = OrganizedStatus.SUCCESS
    dry_run: bool = False
    moved: int = 0
    folders: dict[str, int] = field(default_factory=dict[str, int])
    """How many went into each."""
    already_there: int = 0
    """Those whose very content lay there under their name: only that one is left."""
    left: int = 0
    """Those that are young, unfinished, or no plain files."""
    failed: int = 0
    moves: list[str] = field(default_factory=list[str])
    """The first of them: what, and where to."""
    errors: list[str] = field(default_factory=list[str])


class Organizer:
    """Empties one folder into others."""

    def __init__(
        self,
        incoming: Path,
        folder: Path,
        *,
        rules: Mapping[str, str] | None = None,
        settled: timedelta = timedelta(minutes=1),
        now: Now = utc_now,
    ) -> None:
        """`rules` are folders below `folder` by pattern; raises ValueError for one outside."""
        for each in (rules or {}).values():
            split(each)
        self._incoming = incoming
        self._folder = folder
        self._rules = rules or {}
        self._settled = settled
        self._now = now

    async def organize(self, *, dry_run: bool = False) -> FilesOrganized:
        """Move what is there, or only say where to. Safe to repeat: the second time nothing moves.

        Raises OSError if either folder can't be opened.
        """
        stop, done = Event(), FilesOrganized(dry_run=dry_run)

        def act() -> None:
            with suppress(Stopped):
                self._organize(done, stop.is_set)

        try:
            await run_sync(act, abandon_on_cancel=True)
        finally:
            stop.set()
        return done

    def _organize(self, done: FilesOrganized, stop: Callable[[], bool]) -> None:
        if not self._incoming.exists():
            return  # nobody has put a file there yet
        with opened(self._incoming) as incoming, self._target(done) as target:
            for entry in entries(incoming):
                if stop():
                    return
                if self._is_left(entry):
                    done.left += 1
                else:
                    self._put(entry, target, done, stop)

    def _target(self, done: FilesOrganized) -> "_Target":
        return _Target(self._folder, is_dry=done.dry_run)

    def _is_left(self, entry: Entry) -> bool:
        is_young = entry.written_at > self._now() - self._settled
        return not entry.is_file or is_young or is_unfinished(entry.name)

    def _put(
        self, entry: Entry, target: "_Target", done: FilesOrganized, stop: Callable[[], bool]
    ) -> None:
        try:
            folder = folder_for(entry.name, _head(entry), self._rules)
            path, is_there = target.place(entry, folder)
            if not done.dry_run:
                if not is_there:
                    target.take(entry, path, stop)
                entry.remove()
        except FileNotFoundError:
            return  # somebody else was quicker
        except OSError as error:
            done.failed += 1
            done.status = OrganizedStatus.PARTIAL_SUCCESS
            done.errors += [f"{entry.shown}: {reason_of(error)}"][: _TOLD - len(done.errors)]
            return
        done.already_there += is_there
        done.moved += not is_there
        if not is_there:
            done.folders[folder] = done.folders.get(folder, 0) + 1
        done.moves += [f"{entry.shown} -> {shown(path)}"][: _TOLD - len(done.moves)]


class _Target:
    """The folder of folders; in a dry run it need not be there."""

    def __init__(self, path: Path, *, is_dry: bool) -> None:
        self._is_empty = is_dry and not path.exists()
        self._opened = None if self._is_empty else open_tree(path, make=not is_dry)
        self._tree: Tree | None = None
        self._taken: set[str] = set()

    def __enter__(self) -> "_Target":
        self._tree = self._opened.__enter__() if self._opened else None
        return self

    def __exit__(self, *_error: object) -> None:
        if self._opened:
            self._opened.__exit__(None, None, None)

    def place(self, entry: Entry, folder: str) -> tuple[str, bool]:
        """Where a file goes, and whether it is there already."""
        for path in _names(folder, entry.name):
            status = self._status(path)
            if status is None and path not in self._taken:
                self._taken.add(path)
                return path, False
            if status is not None and self._is_same(entry, path, status):
                return path, True
        raise FileExistsError("there are too many files of this name")

    def take(self, entry: Entry, path: str, stop: Callable[[], bool]) -> None:
        """Have the file here, too; raises FileExistsError when there is one by now."""
        assert self._tree is not None
        try:
            self._tree.link(entry.folder, entry.name, path)
        except OSError as error:
            if error.errno != EXDEV:
                raise
            self._copy(entry, path, stop)

    def _copy(self, entry: Entry, path: str, stop: Callable[[], bool]) -> None:
        """The same from another file system."""
        assert self._tree is not None
        with open(entry.open_file(), "rb") as file:
            status = os.fstat(file.fileno())
            self._tree.write(
                path,
                chunks_of(file.read, stop),
                mode=status.st_mode,
                mtime_ns=status.st_mtime_ns,
            )
            after = os.fstat(file.fileno())
        if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            self._tree.remove(path)
            raise BlockingIOError("it is being written to")

    def _status(self, path: str) -> os.stat_result | None:
        return self._tree.status(path) if self._tree else None

    def _is_same(self, entry: Entry, path: str, status: os.stat_result) -> bool:
        if (status.st_dev, status.st_ino) == entry.inode:
            return True
        if status.st_size != entry.status.st_size or self._tree is None:
            return False
        with suppress(OSError):
            return _digest(entry.open_file()) == _digest(self._tree.open_file(path))
        return False


def _names(folder: str, name: str) -> "list[str]":
    """The names that a file may get there, best first."""
    stem, ending = os.path.splitext(name)
    others = (f"{stem} ({number}){ending}" for number in range(2, _MOST_NAMES))
    return [f"{folder}/{each}" for each in (name, *others)]


def _head(entry: Entry) -> bytes:
    with open(entry.open_file(), "rb") as file:
        return file.read(HEAD)


def _digest(descriptor: int) -> str:
    with open(descriptor, "rb") as file:
        return file_digest(file, "sha256").hexdigest()
