"""What lies in a folder, looked at and removed without ever leaving it.

Everything goes through a descriptor of the folder that was opened, never through a path that is
looked up again: whoever swaps a folder for a link in the middle of the work gets nothing. Links are
seen as what they are and not followed; file systems mounted inside are left alone.
"""

import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_BLOCK = 512  # bytes: the unit of st_blocks, whatever the file system's own is


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in an open folder, as it was when the folder was listed."""

    folder: int
    """The descriptor of the open folder."""
    name: str
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of its own, and no link to one."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.status.st_mode)

    @property
    def written_at(self) -> datetime:
        """When its content last changed."""
        return datetime.fromtimestamp(self.status.st_mtime, UTC)

    @property
    def arrived_at(self) -> datetime:
        """When its content, name or place last changed, whichever is later.

        A file that was copied or unpacked here with its old date arrived only now.
        """
        latest = max(self.status.st_mtime, self.status.st_ctime)
        return datetime.fromtimestamp(latest, UTC)

    @property
    def inode(self) -> tuple[int, int]:
        """Which file it is: two names of one file share it."""
        return self.status.st_dev, self.status.st_ino

    @property
    def size_on_disk(self) -> int:
        """The bytes that it takes up, which for a sparse file are fewer than its length."""
        return self.status.st_blocks * _BLOCK

    @property
    def shown(self) -> str:
        """Its name, fit for a message whatever bytes it is made of."""
        return shown(self.name)

    def open_file(self) -> int:
        """A descriptor to read it; raises OSError if it is a link by now."""
        return os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.folder)

    def remove(self) -> None:
        """Remove the name: the file, or the link itself."""
        os.unlink(self.name, dir_fd=self.folder)

    def remove_folder(self) -> None:
        """Remove the folder; raises OSError while something is in it."""
        os.rmdir(self.name, dir_fd=self.folder)


@contextmanager
def opened(path: Path | str, *, inside: int | None = None) -> Generator[int]:
    """A descriptor of a folder, by its path or by its name in an open one.

    Raises OSError for anything but a folder, a link to one included.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=inside)
    try:
        yield folder
    finally:
        os.close(folder)


def entries(folder: int) -> Iterator[Entry]:
    """What is in an open folder, in the order of the names; what vanishes meanwhile is left out."""
    with os.scandir(folder) as found:
        names = sorted(each.name for each in found)
    for name in names:
        with suppress(FileNotFoundError):
            yield Entry(folder, name, os.stat(name, dir_fd=folder, follow_symlinks=False))


def shown(name: str) -> str:
    """A file name, fit for a message whatever bytes it is made of."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
