"""Keeps folders of log files small: old ones go, yesterday's are compressed.

Only names with `.log` in them count, and only in a folder itself. How old a log is says its last
line: the time it was written, which a compressed log keeps. A file that some process still has open
is left alone, however old: what it would write there next would be lost.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import anyio.to_thread

from app.services.files import CleanedStatus
from app.services.log_sweep import LogSweep
from app.storage.clock import Now, utc_now

_TOLD = 20  # errors in a result; all are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsCleaned:
    """What was done to the logs, or would have been in a dry run."""

    status: CleanedStatus
    dry_run: bool
    deleted: int
    compressed: int
    freed_bytes: int
    """What the disk got back; a dry run can't tell what compressing would give."""
    kept: int
    """What is left of them, the compressed ones included."""
    failed: int
    oldest_kept: datetime | None
    """The last line of the oldest log that is left."""
    errors: tuple[str, ...]


class Logs:
    """The folders that log files are in: Steward's own, or those of other programs."""

    def __init__(
        self,
        *folders: Path,
        keep: timedelta = timedelta(days=30),
        pack_after: timedelta = timedelta(days=1),
        now: Now = utc_now,
    ) -> None:
        self._folders = folders
        self._keep = keep
        self._pack_after = pack_after
        self._now = now

    async def clean(self, *, dry_run: bool = False) -> LogsCleaned:
        """Delete and compress what is due. Safe to repeat; raises OSError if it can't look."""
        stop = Event()
        now = self._now()
        sweep = LogSweep(
            delete_before=now - self._keep,
            pack_before=now - self._pack_after,
            dry_run=dry_run,
            stop=stop.is_set,
        )
        try:
            await anyio.to_thread.run_sync(self._clear, sweep, abandon_on_cancel=True)
        finally:
            stop.set()
        return LogsCleaned(
            status=self._status(sweep),
            dry_run=dry_run,
            deleted=sweep.deleted,
            compressed=sweep.compressed,
            freed_bytes=sweep.freed_bytes,
            kept=sweep.kept,
            failed=sweep.failed,
            oldest_kept=sweep.oldest_kept,
            errors=tuple(sweep.errors[:_TOLD]),
        )

    def _clear(self, sweep: LogSweep) -> None:
        refused: list[OSError] = []
        for folder in self._folders:
            try:
                sweep.clear(folder)
            except FileNotFoundError:
                continue  # nothing was ever logged to a file
            except OSError as error:
                sweep.refuse(folder, error)
                refused.append(error)
        if refused and len(refused) == len(self._folders):
            raise refused[-1]

    def _status(self, sweep: LogSweep) -> CleanedStatus:
        if not self._folders:
            return CleanedStatus.NOT_CONFIGURED
        return CleanedStatus.PARTIAL_SUCCESS if sweep.failed else CleanedStatus.SUCCESS
