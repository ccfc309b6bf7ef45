"""Puts a backup back: all of it is unpacked and compared first, and only then takes its place.

What was there goes to `before-restore-<time>` beside it, and is never removed. Names that no backup
holds (logs, queues, the signing key) stay as they are. Killed in the middle it is done again: what
had its place by then is moved aside once more, and nothing is lost.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

from app.services.backup.errors import TargetInUse
from app.services.backup.manifest import Manifest
from app.services.backup.reader import USUAL, Limits, read_backup
from app.services.backup.scope import ASIDE, DATABASE, STAGING, is_saved
from app.services.tree import Tree, open_tree
from app.storage.snapshot import check_file

_DATABASE_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back, and where what was there is now."""

    backup: str
    target: Path
    files: int
    size: int
    aside: Path | None


def restore_backup(
    path: Path, target: Path, *, may_move_aside: bool, now: datetime, limits: Limits = USUAL
) -> Restored:
    """Put it into the target, made if need be; blocking.

    Raises `BadBackup`, and `TargetInUse` for a target with something in it that may not be moved;
    either way nothing in the target has changed.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = _in_the_way(target)
    if there and not may_move_aside:
        raise TargetInUse(f"{target} holds {there[0]} already: say --yes to have it moved aside")
    _remove_leftovers(target)
    staging = Path(mkdtemp(prefix=STAGING, dir=target))
    try:
        manifest = _unpack(path, staging, limits)
        aside = _swap(staging, target, now)
    finally:
        shutil.rmtree(staging)
    return Restored(
        backup=path.name,
        target=target,
        files=len(manifest.files),
        size=sum(each.size for each in manifest.files),
        aside=aside,
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
    unpacking.end(staging)
    return manifest


def _swap(staging: Path, target: Path, now: datetime) -> Path | None:
    """Move aside what is there, and all that was unpacked into its place."""
    aside = None
    for name in _in_the_way(target):
        aside = aside or Path(
            mkdtemp(prefix=f"{ASIDE}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-", dir=target)
        )
        os.rename(target / name, aside / name)
    for name in sorted(os.listdir(staging)):
        os.rename(staging / name, target / name)
    return aside


def _in_the_way(target: Path) -> list[str]:
    """What the target holds of what a backup holds; the database and its log go together."""
    names = sorted(os.listdir(target))
    return [name for name in names if name in _DATABASE_FILES or is_saved(name)]


def _remove_leftovers(target: Path) -> None:
    """What a restore that was killed has unpacked."""
    for name in os.listdir(target):
        if name.startswith(STAGING):
            with suppress(FileNotFoundError):
                shutil.rmtree(target / name)
