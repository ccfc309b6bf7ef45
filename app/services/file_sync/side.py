"""One of two folders that are kept alike; all of it blocks."""

import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from app.services.tree import Found, Stopped, Tree, Unread, chunks_of, open_tree, reason_of

MARK = ".steward-sync-"
"""What the name of the file begins with that says which folder this is."""


class NotTheFolder(OSError):
    """The folder is not the one it was, perhaps since a disk is not mounted: nothing is done."""


class Changed(Exception):
    """Somebody writes to this file just now; the next time may go better."""


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it was when it was looked at."""

    digest: str
    size: int
    mode: int
    mtime_ns: int
    inode: int

    def is_still(self, status: os.stat_result | None) -> bool:
        """Whether it has not been written to since."""
        return status is not None and (status.st_ino, status.st_size, status.st_mtime_ns) == (
            self.inode,
            self.size,
            self.mtime_ns,
        )


@dataclass(slots=True)
class Side:
    """A folder, and what was found in it."""

    path: Path
    stop: Callable[[], bool]
    pair: str
    """A name for both folders together."""
    expected: str = ""
    """The mark that this folder must bear; empty for any."""
    files: dict[str, Known] = field(default_factory=dict[str, Known])
    unread: dict[str, str] = field(default_factory=dict[str, str])
    """What could not be read, and why: nothing is done about it, nor about what is below."""
    skipped: int = 0
    _tree: Tree | None = None

    @property
    def tree(self) -> Tree:
        """The folder, while it is open."""
        assert self._tree is not None
        return self._tree

    @contextmanager
    def opened(self, *, make: bool = False) -> Generator[None]:
        """Open while the block lasts; raises `NotTheFolder` if it is another by now."""
        with open_tree(self.path, make=make) as tree:
            self._tree = tree
            if self.expected and self.mark() != self.expected:
                raise NotTheFolder(f"{self.path} is not the folder it was: is a disk not mounted?")
            yield

    def look(self) -> None:
        """Read every file there is."""
        for found in self.tree.walk():
            if self.stop():
                raise Stopped
            if isinstance(found, Unread):
                self.unread[found.path] = found.reason
            elif found.entry.is_file:
                self._look_at(found)
            elif not found.entry.is_folder:
                self.skipped += 1

    def _look_at(self, found: Found) -> None:
        if found.path.startswith(MARK):
            return
        try:
            self.files[found.path] = _known(found.entry.open_file(), self.stop)
        except FileNotFoundError:
            return
        except Changed:
            self.unread[found.path] = "it is being written to"
        except OSError as error:
            self.unread[found.path] = reason_of(error)

    def digest(self, path: str) -> str | None:
        """What was found there."""
        known = self.files.get(path)
        return known.digest if known else None

    def is_unknown(self, path: str) -> bool:
        """Whether it, or a folder above it, could not be read."""
        above = path.split("/")
        return any("/".join(above[:end]) in self.unread for end in range(1, len(above) + 1))

    def take(self, other: "Side", path: str, name: str = "") -> int:
        """Have the other side's file here, under this name; returns its bytes.

        Raises `Changed`, having changed nothing, if either has been written to meanwhile.
        """
        name, theirs = name or path, other.files[path]
        ours = self.files.get(name)
        if ours and ours.digest == theirs.digest:
            return 0
        try:
            self.tree.write(
                name,
                _same(other.tree.open_file(path), theirs, self.stop),
                mode=theirs.mode,
                mtime_ns=theirs.mtime_ns,
                replace=ours is not None,
                may_replace=lambda: ours is None or ours.is_still(self.tree.status(name)),
            )
        except (FileExistsError, BlockingIOError) as error:
            raise Changed from error
        self._remember(name, theirs.digest)
        return theirs.size

    def remove(self, path: str) -> None:
        """Remove a file as it was found; raises `Changed` if it is not that any more."""
        if not self.files[path].is_still(self.tree.status(path)):
            raise Changed
        self.tree.remove(path)
        del self.files[path]

    def mark(self) -> str:
        """The mark that it bears; empty when there is none."""
        if self.tree.status(MARK + self.pair) is None:
            return ""
        with open(self.tree.open_file(MARK + self.pair), "rb") as file:
            return file.read(200).decode(errors="replace").strip()

    def set_mark(self, mark: str) -> None:
        """Have it bear this mark from here on."""
        self.tree.write(MARK + self.pair, [f"{mark}\n".encode()], replace=True)
        self.expected = mark

    def _remember(self, path: str, digest: str) -> None:
        status = self.tree.status(path)
        assert status is not None
        self.files[path] = _of(status, digest)


def _known(descriptor: int, stop: Callable[[], bool]) -> Known:
    """What is in a file that keeps still; raises `Changed` for one that does not."""
    digest = sha256()
    with open(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError("it is no plain file")
        for chunk in chunks_of(file.read, stop):
            digest.update(chunk)
        known = _of(before, digest.hexdigest())
        if not known.is_still(os.fstat(descriptor)):
            raise Changed
    return known


def _of(status: os.stat_result, digest: str) -> Known:
    return Known(digest, status.st_size, status.st_mode & 0o777, status.st_mtime_ns, status.st_ino)


def _same(descriptor: int, known: Known, stop: Callable[[], bool]) -> Iterator[bytes]:
    """The bytes of a file; raises `Changed` at the end if they are not those that were found."""
    digest = sha256()
    with open(descriptor, "rb") as file:
        for chunk in chunks_of(file.read, stop):
            digest.update(chunk)
            yield chunk
    if digest.hexdigest() != known.digest:
        raise Changed
