"""Keeps the folder of log files small: old ones go, yesterday's are compressed.

Only names with `.log` in them count, and only in the folder itself. How old a log is says its last
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
    """The folder that Steward's log files are in."""

    def __init__(
        self,
        folder: Path,
        *,
        keep: timedelta = timedelta(days=30),
        pack_after: timedelta = timedelta(days=1),
        now: Now = utc_now,
    ) -> None:
        self._folder = folder
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
            status=CleanedStatus.PARTIAL_SUCCESS if sweep.failed else CleanedStatus.SUCCESS,
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
        try:
            sweep.clear(self._folder)
        except FileNotFoundError:
            return  # nothing was ever logged to a file
