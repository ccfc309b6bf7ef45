"""Clears away temporary files that nobody has touched for a day.

A file goes when it is older than `temp_keep`, counted from when it was written, renamed or moved
here, whichever was last. Folders go when they are that old and empty. Sockets and devices stay, as
do other file systems mounted below. What vanishes while we look is no error: temporary files do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from threading import Event

import anyio.to_thread

from app.services.sweep import Sweep
from app.storage.clock import Now, utc_now

_TOLD = 20  # paths and errors in a result; all are counted


class CleanedStatus(StrEnum):
    """How it went, on the whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    """Something could not be removed; the rest was."""
    NOT_CONFIGURED = "not_configured"
    """No folder is named to be cleaned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesCleaned:
    """What was removed, or would have been in a dry run."""

    status: CleanedStatus
    dry_run: bool
    removed: int
    """Files, links included."""
    folders_removed: int
    freed_bytes: int
    """What the disk gets back: blocks, and for a file with several names only with the last."""
    kept: int
    """Files that are too young, or none of ours to remove."""
    failed: int
    paths: tuple[str, ...]
    """The first files removed, seen from their folder."""
    errors: tuple[str, ...]


class UnsafeFolder(ValueError):
    """A folder that nobody would have cleared away on purpose."""


class Files:
    """The folders of temporary files."""

    def __init__(
        self,
        temp_folders: Sequence[Path],
        *,
        temp_keep: timedelta = timedelta(days=1),
        now: Now = utc_now,
    ) -> None:
        """Raises `UnsafeFolder` for a relative path, the user's home and what is above it."""
        for folder in temp_folders:
            if not folder.is_absolute() or Path.home().is_relative_to(folder.resolve()):
                raise UnsafeFolder(f"{folder} is no folder to clear away files in")
        self._folders = tuple(temp_folders)
        self._keep = temp_keep
        self._now = now

    async def clean_temp(self, *, dry_run: bool = False) -> FilesCleaned:
        """Remove what is old enough. Raises OSError if none of the folders could be looked into."""
        stop = Event()
        before = self._now() - self._keep
        sweep = Sweep(before=before, dry_run=dry_run, stop=stop.is_set)
        try:
            await anyio.to_thread.run_sync(self._clear, sweep, abandon_on_cancel=True)
        finally:
            stop.set()
        return FilesCleaned(
            status=CleanedStatus.PARTIAL_SUCCESS if sweep.failed else CleanedStatus.SUCCESS,
            dry_run=dry_run,
            removed=sweep.removed,
            folders_removed=sweep.folders_removed,
            freed_bytes=sweep.freed_bytes,
            kept=sweep.kept,
            failed=sweep.failed,
            paths=tuple(sweep.paths[:_TOLD]),
            errors=tuple(sweep.errors[:_TOLD]),
        )

    def _clear(self, sweep: Sweep) -> None:
        refused: list[OSError] = []
        for folder in self._folders:
            try:
                sweep.clear(folder)
            except FileNotFoundError:
                continue  # nobody has made a temporary file yet
            except OSError as error:
                sweep.refuse(folder, error)
                refused.append(error)
        if refused and len(refused) == len(self._folders):
            raise OSError(sweep.errors[-1]) from refused[-1]
