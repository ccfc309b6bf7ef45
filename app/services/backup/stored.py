"""Backups that lie in a folder: listed, read through, put back. No database is needed for that."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from anyio.to_thread import run_sync

from app.services.backup.errors import BadBackup
from app.services.backup.reader import Checked, read_backup
from app.services.backup.restore import Restored, restore_backup
from app.services.backup.shelf import Kept, Shelf
from app.storage.clock import Now, utc_now


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

    async def restore(self, name: str, target: Path, *, may_move_aside: bool) -> Restored:
        """Put a backup back; raises `BackupError`, and then nothing has changed."""
        kept = await run_sync(self.shelf.get, name)
        await run_sync(self.shelf.refuse_changed, kept)
        restore = partial(restore_backup, kept.path, target, may_move_aside=may_move_aside)
        return await run_sync(partial(restore, now=self._now()))

    def checked(self, kept: Kept) -> Checked:
        """What is wrong with a backup, if anything is; blocking."""
        try:
            self.shelf.refuse_changed(kept)
            return read_backup(kept.path)
        except BadBackup as error:
            return Checked(manifest=None, problems=(str(error),))
