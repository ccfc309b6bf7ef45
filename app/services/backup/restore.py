"""Puts a backup back: all of it is unpacked and compared first, and only then takes its place.

What was there goes to `before-restore-<time>` beside it, and is never removed. Names that no backup
holds (logs, queues, the signing key) stay as they are. The rows go into the file of the database,
or to a server: what that held lies as a file with the rest of what was there. Killed in the middle
it is done again: what had its place by then is moved aside once more, and nothing is lost.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from anyio import from_thread

from app.services.backup.errors import NotRestored, TargetInUse
from app.services.backup.manifest import Manifest
from app.services.backup.reader import USUAL, Limits, read_backup
from app.services.backup.scope import ASIDE, DATABASE, HELD, STAGING, is_saved
from app.services.tree import Tree, open_tree
from app.storage.errors import HoldsRows, StorageError
from app.storage.exchange import has_rows, replace_rows
from app.storage.numbers import count_on_from
from app.storage.restored import bring_up
from app.storage.snapshot import check_file

_DATABASE_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")
_ROWS = "the database holds rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back, and where what was there is now."""

    backup: str
    target: Path
    files: int
    size: int
    aside: Path | None


def restore_backup(
    path: Path,
    target: Path,
    *,
    may_move_aside: bool,
    now: datetime,
    limits: Limits = USUAL,
    server: str | None = None,
) -> Restored:
    """Put it into the target, made if need be, and its rows into the server's database; blocking.

    Raises `BadBackup`, `TargetInUse` for a target with something in it that may not be moved, and
    `DatabaseInUse`, and nothing there has changed; or `NotRestored`, which says where it lies.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = _in_the_way(target, with_database=server is None)
    if there and not may_move_aside:
        raise _in_use(f"{target} holds {there[0]}")
    if server is not None and from_thread.run(has_rows, server) and not may_move_aside:
        raise _in_use(_ROWS)
    _remove_leftovers(target)
    staging, aside = Path(mkdtemp(prefix=STAGING, dir=target)), _Aside(target, now)
    try:
        manifest = _unpack(path, staging, limits)
        if server is not None and (staging / DATABASE).exists():
            _hand_over(server, staging / DATABASE, aside, may_move_aside=may_move_aside)
        elif (staging / DATABASE).exists():
            for each in (target / DATABASE, *target.glob(f"{ASIDE}*/{DATABASE}")):
                count_on_from(staging / DATABASE, each)
        _swap(staging, target, there, aside)
    except (StorageError, OSError) as error:
        if aside.folder is None:
            raise
        raise NotRestored(f"{error}; what was there lies in {aside.folder}") from error
    finally:
        shutil.rmtree(staging)
    return Restored(
        backup=path.name,
        target=target,
        files=len(manifest.files),
        size=sum(each.size for each in manifest.files),
        aside=aside.folder,
    )


class Unpacking:
    """Takes what is in a backup into an empty folder."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._modes: dict[str, int] = {}

    def folder(self, path: str, mode: int) -> None:
        """Make a folder; it gets its mode when all is in it."""
        self._tree.make_folder(path)
        self._modes[path] = mode & 0o777

    def file(self, path: str, chunks: Iterator[bytes], *, mode: int, mtime_ns: int) -> None:
        """Write a file that is not there yet."""
        self._tree.write(path, chunks, mode=mode, mtime_ns=mtime_ns)

    def end(self, root: Path) -> None:
        """Give the folders their modes, the innermost first."""
        for path in sorted(self._modes, reverse=True):
            os.chmod(root / path, self._modes[path], follow_symlinks=False)


def _unpack(path: Path, staging: Path, limits: Limits) -> Manifest:
    with open_tree(staging) as tree:
        unpacking = Unpacking(tree)
        manifest = read_backup(path, sink=unpacking, limits=limits).demand()
    if (staging / DATABASE).exists():
        check_file(staging / DATABASE)
        bring_up(staging / DATABASE)
    unpacking.end(staging)
    return manifest


class _Aside:
    """Where what was there goes; the folder is made for the first of it, and never removed."""

    def __init__(self, target: Path, now: datetime) -> None:
        self.folder: Path | None = None
        self._target = target
        self._prefix = f"{ASIDE}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-"

    def take(self, path: Path, name: str) -> None:
        """Move it there."""
        self.folder = self.folder or Path(mkdtemp(prefix=self._prefix, dir=self._target))
        os.rename(path, self.folder / name)


def _hand_over(server: str, database: Path, aside: _Aside, *, may_move_aside: bool) -> None:
    """Have the server hold the rows; those it held lie aside, in a whole file, before they go."""
    with TemporaryDirectory(prefix=STAGING, dir=database.parent.parent) as folder:
        held = Path(folder) / HELD
        keep = partial(aside.take, held, DATABASE) if may_move_aside else None
        try:
            from_thread.run(partial(replace_rows, server, database, held=held, keep=keep))
        except HoldsRows as error:
            raise _in_use(_ROWS) from error
    database.unlink()


def _swap(staging: Path, target: Path, there: Sequence[str], aside: _Aside) -> None:
    """Move aside what is there, and all that was unpacked into its place."""
    for name in there:
        aside.take(target / name, name)
    for name in sorted(os.listdir(staging)):
        os.rename(staging / name, target / name)


def _in_use(what: str) -> TargetInUse:
    return TargetInUse(f"{what} already: say --yes to have it moved aside")


def _in_the_way(target: Path, *, with_database: bool) -> list[str]:
    """What the target holds of what a backup holds; the database and its log go together."""
    names = sorted(os.listdir(target))
    return [name for name in names if is_saved(name) or with_database & (name in _DATABASE_FILES)]


def _remove_leftovers(target: Path) -> None:
    """What a restore that was killed has unpacked."""
    for name in os.listdir(target):
        if name.startswith(STAGING):
            with suppress(FileNotFoundError):
                shutil.rmtree(target / name)
