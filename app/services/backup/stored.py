"""Backups that lie in a folder: listed, read through, put back. No database is needed for that."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio.to_thread import run_sync

from app.services.backup.errors import BadBackup
from app.services.backup.reader import Checked, read_backup
from app.services.backup.restore import Restored, restore_backup
from app.services.backup.scope import DATABASE
from app.services.backup.shelf import Kept, Shelf
from app.storage.clock import Now, utc_now
from app.storage.errors import UnusableDatabase
from app.storage.snapshot import check_file


class Stored:
    """The backups in one folder."""

    def __init__(self, folder: Path, *, now: Now = utc_now) -> None:
        self.shelf = Shelf(folder)
        self._now = now

    async def list(self) -> Sequence[Kept]:
        """Every whole backup, the newest first."""
        return await run_sync(self.shelf.kept)

    async def verify(self, name: str = "latest") -> tuple[Kept, Checked]:
        """Read a backup from its first byte to its last; raises `UnknownBackup`."""
        kept = await run_sync(self.shelf.get, name)
        return kept, await run_sync(self.checked, kept, abandon_on_cancel=True)

    async def restore(
        self, name: str, target: Path, *, may_move_aside: bool, server: str | None = None
    ) -> Restored:
        """Put a backup back, its rows into the database of this URL, or into the target.

        Raises `BackupError` and `StorageError`; nothing has changed, unless it is `NotRestored`.
        """
        kept = await run_sync(self.shelf.get, name)
        await run_sync(self.shelf.refuse_changed, kept)
        restore = partial(restore_backup, kept.path, target, may_move_aside=may_move_aside)
        return await run_sync(partial(restore, now=self._now(), server=server))

    def checked(self, kept: Kept) -> Checked:
        """What is wrong with a backup, if anything is; blocking."""
        try:
            self.shelf.refuse_changed(kept)
            with TemporaryDirectory(prefix="steward-verify-") as scratch:
                looking = Looking(Path(scratch))
                checked = read_backup(kept.path, sink=looking)
                return replace(checked, problems=(*checked.problems, *looking.problems()))
        except BadBackup as error:
            return Checked(manifest=None, problems=(str(error),))


class Looking:
    """Takes what is in a backup and keeps its database, to have a look into it."""

    def __init__(self, scratch: Path) -> None:
        self._database = scratch / DATABASE

    def folder(self, path: str, mode: int) -> None:
        """Take a folder."""

    def file(self, path: str, chunks: Iterator[bytes], *, mode: int, mtime_ns: int) -> None:
        """Take a file."""
        del mode, mtime_ns
        with open(self._database if path == DATABASE else os.devnull, "wb") as file:
            for chunk in chunks:
                file.write(chunk)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the database, which no backup lacks."""
        if not self._database.exists():
            return (f"{DATABASE} is missing",)
        try:
            check_file(self._database)
        except UnusableDatabase as error:
            return (f"{DATABASE} is damaged: {error.reason}",)
        return ()
