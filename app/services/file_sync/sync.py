"""Goes through two folders and makes them alike, remembering each file as it is done.

Killed in the middle it goes on: files that are alike by then are alike, whoever made them so. Each
folder bears a mark; one that is there without its mark is another folder, such as the empty place
where a disk should be mounted, and then nothing is done: all would look as if it had been removed.

After a backup was restored, what is known is of then: a file that only one side has is taken for
new there, and nothing is removed.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import TypeVar

from anyio.to_thread import run_sync

from app.services.file_sync.pair import FilesSynced, FileSyncStatus, Pair
from app.services.file_sync.side import Side
from app.services.tree import read_path, written
from app.storage.database import Database
from app.storage.synced_files import SyncedFiles

T = TypeVar("T")

_CHUNK = 100  # files between two writes into the database


class FileSync:
    """Keeps two folders alike."""

    def __init__(self, database: Database, here: Path, there: Path | None) -> None:
        self._database = database
        self._here = here
        self._there = there

    async def sync(self, *, dry_run: bool = False) -> FilesSynced:
        """Make them alike, or only say how. Safe to repeat: the second time nothing changes.

        Raises `NotTheFolder`, and OSError for a folder that can't be opened; nothing was done then.
        """
        if self._there is None:
            return FilesSynced(status=FileSyncStatus.NOT_CONFIGURED, dry_run=dry_run)
        both = f"{self._here}\0{self._there}".encode(errors="surrogateescape")
        pair, stop = sha256(both).hexdigest(), Event()
        here = Side(self._here, stop.is_set, pair[:8])
        sides = Pair(here, Side(self._there, stop.is_set, pair[:8]), FilesSynced(dry_run=dry_run))
        try:
            return await self._go_through(sides, SyncedFiles(self._database, pair))
        finally:
            stop.set()

    async def _go_through(self, sides: Pair, memory: SyncedFiles) -> FilesSynced:
        memorized = await memory.read()
        known, dry_run = memorized.files, sides.done.dry_run
        if new := await _in_thread(partial(sides.begin, memorized.mark)):
            known = {}
            if not dry_run:
                await memory.begin(new)
        await _in_thread(sides.look)
        if memorized.is_restored and not new:  # what is new was known to nobody
            known = {each: known[each] for each in known if sides.are_both(read_path(each))}
            if not dry_run:
                await memory.merge(memorized.files.keys() - known.keys())
        paths = sides.paths(map(read_path, known))
        for start in range(0, len(paths), _CHUNK):
            chunk = [(each, known.get(written(each))) for each in paths[start : start + _CHUNK]]
            alike = await _in_thread(partial(sides.settle, chunk))
            if not dry_run:
                now = {written(path): digest for path, digest in alike.items()}
                await memory.record({p: d for p, d in now.items() if known.get(p) != d})
        return sides.ended()


async def _in_thread(act: Callable[[], T]) -> T:
    return await run_sync(act, abandon_on_cancel=True)
