"""One walk through a folder that removes what is old enough, and counts what it did.

It blocks, so it runs in a thread; `stop` ends it between two files. A dry run takes the same way
and removes nothing.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from errno import ENOTEMPTY
from pathlib import Path

from app.services.entries import Entry, entries, opened, shown

_DEEPEST = 100  # folders inside each other, each of which costs an open descriptor


@dataclass(slots=True, kw_only=True)
class Sweep:
    """Removes files that arrived before `before`, and folders that old which are then empty."""

    before: datetime
    dry_run: bool
    stop: Callable[[], bool]
    removed: int = 0
    folders_removed: int = 0
    freed_bytes: int = 0
    kept: int = 0
    failed: int = 0
    paths: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])
    _names_left: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def clear(self, root: Path) -> None:
        """Walk through a folder, which itself stays; raises OSError if it can't be opened."""
        with opened(root) as folder:
            self._walk(folder, "", device=os.fstat(folder).st_dev, depth=0)

    def _walk(self, folder: int, path: str, *, device: int, depth: int) -> bool:
        """Returns whether the folder is empty now, or would be."""
        is_empty = True
        for entry in entries(folder):
            if self.stop():
                return False
            if entry.is_folder:
                gone = self._folder(entry, f"{path}{entry.shown}/", device=device, depth=depth + 1)
            else:
                gone = self._file(entry, path + entry.shown)
            is_empty = is_empty and gone
        return is_empty

    def _folder(self, entry: Entry, path: str, *, device: int, depth: int) -> bool:
        if depth > _DEEPEST:
            return self._fail(path, "too many folders inside each other")
        try:
            with opened(entry.name, inside=entry.folder) as folder:
                if os.fstat(folder).st_dev != device:
                    return False  # another file system is mounted here
                is_empty = self._walk(folder, path, device=device, depth=depth)
            if not is_empty or entry.arrived_at >= self.before:
                return False
            if not self.dry_run:
                entry.remove_folder()
        except FileNotFoundError:
            return True
        except OSError as error:
            return error.errno != ENOTEMPTY and self._fail(path, error.strerror or str(error))
        self.folders_removed += 1
        return True

    def _file(self, entry: Entry, path: str) -> bool:
        if not (entry.is_file or entry.is_link) or entry.arrived_at >= self.before:
            self.kept += 1
            return False
        try:
            if not self.dry_run:
                entry.remove()
        except FileNotFoundError:
            return True
        except OSError as error:
            return self._fail(path, error.strerror or str(error))
        self.removed += 1
        self.freed_bytes += self._freed(entry)
        self.paths.append(path)
        return True

    def _freed(self, entry: Entry) -> int:
        """The disk gets a file back when the last of its names is gone."""
        left = self._names_left.get(entry.inode, entry.status.st_nlink) - 1
        self._names_left[entry.inode] = left
        return 0 if left else entry.size_on_disk

    def _fail(self, path: str, reason: str) -> bool:
        self.failed += 1
        self.errors.append(f"{path}: {reason}")
        return False

    def refuse(self, root: Path, error: OSError) -> None:
        """Note a folder that could not be opened at all."""
        self._fail(shown(str(root)), error.strerror or str(error))
