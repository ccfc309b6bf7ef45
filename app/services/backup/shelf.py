"""The folder that backups lie in, one file each, with its checksum beside it.

    steward-20261130T010000Z-1f0c9a77.tar.gz         when it was begun, and a mark of who asked
    steward-20261130T010000Z-1f0c9a77.tar.gz.sha256  as `sha256sum -c` reads it

A backup is written under a name that nobody takes for one, and gets its own when it is whole.
"""

import fcntl
import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from shutil import rmtree

from app.services.backup.errors import BackupBusy, BadBackup, UnknownBackup

_NAME = re.compile(r"steward-(\d{8}T\d{6}Z)-([0-9a-f]{8})\.tar\.gz")
_STAMP = "%Y%m%dT%H%M%SZ"
_PART = ".unfinished"
_SUM = ".sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A backup that is there, whole."""

    name: str
    path: Path
    made_at: datetime
    """When it was begun."""
    mark: str
    size: int
    """Bytes, as long as the file is."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Which backups stay: the newest so many, if they are not too old. The newest stays anyway."""

    count: int = 8
    age: timedelta | None = None

    def over(self, kept: Sequence[Kept], now: datetime, *, coming: int = 0) -> tuple[Kept, ...]:
        """Those to go, of these with the newest first, once so many newer ones have come."""
        return tuple(
            each
            for place, each in enumerate(kept, coming)
            if place and (place >= self.count or (self.age and now - each.made_at > self.age))
        )


class Shelf:
    """The backups in one folder; all of it blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kept(self) -> tuple[Kept, ...]:
        """Every whole backup, the newest first; links and what has another name are none."""
        if not self.folder.is_dir():
            return ()
        with os.scandir(self.folder) as found:
            backups = [self._kept(each) for each in found if each.is_file(follow_symlinks=False)]
        return tuple(sorted(filter(None, backups), key=lambda each: each.name, reverse=True))

    def get(self, name: str) -> Kept:
        """The backup of this name, or the latest; raises `UnknownBackup`."""
        kept = self.kept()
        found = [each for each in kept if name in (each.name, "latest")]
        if not kept:
            raise UnknownBackup(
                f"there is no backup in {self.folder} yet: `steward backup now` makes one"
            )
        if not found:
            raise UnknownBackup(f"there is no backup {name!a} in {self.folder}")
        return found[0]

    def marked(self, mark: str) -> Kept | None:
        """The backup that was made for this mark."""
        return next((each for each in self.kept() if each.mark == mark), None)

    @contextmanager
    def making(self) -> Generator[None]:
        """Be the only one who makes a backup here; raises `BackupBusy` if somebody else is."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BackupBusy(f"another backup is being made in {self.folder}") from error
            self._remove_unfinished()
            yield
        finally:
            os.close(lock)

    def part(self, name: str) -> Path:
        """Where a backup is written until it is whole; nothing is there yet."""
        return self.folder / f".{name}{_PART}"

    def finish(self, name: str, sha256: str) -> Kept:
        """Put a backup that is whole and synced in its place, its checksum first."""
        sum_part = self.folder / f".{name}{_SUM}{_PART}"
        with open(os.open(sum_part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{sha256}  {name}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(sum_part, self.folder / f"{name}{_SUM}")
        os.replace(self.part(name), self.folder / name)
        _sync(self.folder)
        return self.get(name)

    def refuse_changed(self, kept: Kept) -> None:
        """Raise `BadBackup` when the file is not the one that its checksum was made of."""
        try:
            promised = kept.path.with_name(f"{kept.name}{_SUM}").read_text().split()[0]
        except (FileNotFoundError, IndexError):
            return  # somebody has copied the backup alone: its manifest has to do
        with kept.path.open("rb") as file:
            if file_digest(file, "sha256").hexdigest() != promised:
                raise BadBackup(
                    f"{kept.name} is not the file that was written: its checksum differs"
                )

    def remove(self, kept: Kept) -> None:
        """Remove a backup and its checksum."""
        for path in (kept.path, kept.path.with_name(f"{kept.name}{_SUM}")):
            path.unlink(missing_ok=True)

    def _kept(self, entry: "os.DirEntry[str]") -> Kept | None:
        name = _NAME.fullmatch(entry.name)
        with suppress(FileNotFoundError, ValueError):
            if name:
                return Kept(
                    name=entry.name,
                    path=self.folder / entry.name,
                    made_at=datetime.strptime(name[1], _STAMP).replace(tzinfo=UTC),
                    mark=name[2],
                    size=entry.stat(follow_symlinks=False).st_size,
                )
        return None

    def _remove_unfinished(self) -> None:
        """What a backup that was killed has left, and checksums of backups that never came."""
        names = set(os.listdir(self.folder))
        for name in names:
            is_part = name.startswith(".") and name.endswith(_PART)
            is_alone = name.endswith(_SUM) and name.removesuffix(_SUM) not in names
            path = self.folder / name
            if is_part and path.is_dir() and not path.is_symlink():
                rmtree(path)  # where the database was copied to
            elif is_part or (is_alone and _NAME.fullmatch(name.removesuffix(_SUM))):
                (self.folder / name).unlink(missing_ok=True)


def name_of(made_at: datetime, mark: str) -> str:
    """What a backup is called."""
    return f"steward-{made_at.astimezone(UTC):{_STAMP}}-{mark}.tar.gz"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
