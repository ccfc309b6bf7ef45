"""One walk through a folder of logs: deletes the old, compresses yesterday's, counts what it did.

A log is compressed beside itself, synced, and only then put under its name and the original
removed; a crash in between leaves the original, and an unfinished part that is cleared away later.
"""

import gzip
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil

from app.services.entries import Entry, entries, opened, shown

_LOG = re.compile(r".*\.log([.-].*)?", re.DOTALL)
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_PART = ".part"
_CHUNK = 1024**2


class Interrupted(Exception):
    """The sweep was told to stop in the middle of a file."""


@dataclass(slots=True, kw_only=True)
class LogSweep:
    """Deletes logs last written before `delete_before`, compresses those before `pack_before`."""

    delete_before: datetime
    pack_before: datetime
    dry_run: bool
    stop: Callable[[], bool]
    deleted: int = 0
    compressed: int = 0
    freed_bytes: int = 0
    kept: int = 0
    failed: int = 0
    oldest_kept: datetime | None = None
    errors: list[str] = field(default_factory=list[str])

    def clear(self, root: Path) -> None:
        """Walk through the folder; raises OSError if it can't be opened."""
        with opened(root) as folder:
            in_use = _inodes_in_use(root)
            for entry in entries(folder):
                if self.stop():
                    return
                if entry.is_file and _LOG.fullmatch(entry.name):
                    self._see_to(entry, is_open=entry.inode in in_use)

    def refuse(self, root: Path, error: OSError) -> None:
        """Note a folder that could not be opened at all."""
        self.failed += 1
        self.errors.append(f"{shown(str(root))}: {error.strerror or error}")

    def _see_to(self, entry: Entry, *, is_open: bool) -> None:
        try:
            if is_open or not self._is_due(entry):
                self._keep(entry)
            elif self._is_to_go(entry):
                self._delete(entry)
            else:
                self._pack(entry)
        except (FileNotFoundError, Interrupted):
            return
        except OSError as error:
            self.failed += 1
            self.errors.append(f"{entry.shown}: {error.strerror or error}")
            self._keep(entry)

    def _is_due(self, entry: Entry) -> bool:
        is_packed = entry.name.endswith(_PACKED) or entry.status.st_size == 0
        return self._is_to_go(entry) or (not is_packed and entry.written_at < self.pack_before)

    def _is_to_go(self, entry: Entry) -> bool:
        is_left_over = entry.name.endswith(_PART) and entry.arrived_at < self.pack_before
        return is_left_over or entry.written_at < self.delete_before

    def _keep(self, entry: Entry) -> None:
        self.kept += 1
        self.oldest_kept = min(self.oldest_kept or entry.written_at, entry.written_at)

    def _delete(self, entry: Entry) -> None:
        if not self.dry_run:
            entry.remove()
        self.deleted += 1
        self.freed_bytes += entry.size_on_disk if entry.status.st_nlink == 1 else 0

    def _pack(self, entry: Entry) -> None:
        if not self.dry_run:
            self.freed_bytes += pack(entry, self.stop)
        self.compressed += 1
        self._keep(entry)


def pack(entry: Entry, stop: Callable[[], bool]) -> int:
    """Put the compressed log in place of the log; returns how many bytes the disk got back.

    The name carries the time of the last line: `steward.log.1` is another log every day.
    """
    packed = f"{entry.name}.{entry.written_at:%Y%m%dT%H%M%S}.gz"
    part = f".{packed}.{secrets.token_hex(4)}{_PART}"
    folder = entry.folder
    try:
        size = _write_packed(entry, part, stop)
        os.replace(part, packed, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        raise
    entry.remove()
    return (entry.size_on_disk if entry.status.st_nlink == 1 else 0) - size


def _write_packed(entry: Entry, part: str, stop: Callable[[], bool]) -> int:
    """Write the compressed copy, with the times of the original; returns its size on disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    mode = entry.status.st_mode & 0o666
    with open(entry.open_file(), "rb") as source:
        with open(os.open(part, flags, mode, dir_fd=entry.folder), "wb") as target:
            with gzip.GzipFile(entry.name, "wb", fileobj=target, mtime=0) as zipped:
                for chunk in _chunks(source.read, stop):
                    zipped.write(chunk)
            target.flush()
            os.fsync(target.fileno())
            _refuse_changed(entry, os.fstat(source.fileno()))
            os.utime(target.fileno(), ns=(entry.status.st_atime_ns, entry.status.st_mtime_ns))
            return os.fstat(target.fileno()).st_blocks * 512


def _chunks(read: Callable[[int], bytes], stop: Callable[[], bool]) -> Iterator[bytes]:
    while chunk := read(_CHUNK):
        if stop():
            raise Interrupted
        yield chunk


def _refuse_changed(entry: Entry, now: os.stat_result) -> None:
    then = entry.status
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (then.st_ino, then.st_size, then.st_mtime_ns):
        raise BlockingIOError("it is being written to")


def _inodes_in_use(root: Path) -> set[tuple[int, int]]:
    """The files below `root` that a process of ours has open; other users' can't be seen."""
    found: set[tuple[int, int]] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            for file in process.open_files():
                if Path(file.path).is_relative_to(root.resolve()):
                    status = os.stat(file.path)
                    found.add((status.st_dev, status.st_ino))
    return found
