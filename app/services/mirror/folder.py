"""The files on this side of a mirror: plain files in one folder, written whole or not at all.

Names that begin with a dot, links and folders are left alone.
"""

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio.to_thread

from app.services.entries import shown
from app.services.mirror.item import BadItem, Gone
from app.services.mirror.remote import Format

_LARGEST: Final = 2 * 1024**2  # bytes of one file; a note or an event has some thousand
_MOST: Final = 10_000  # files of one folder
_HALF: Final = ".part"  # how the name of a file ends that is being written
_LEFT: Final = re.compile(r"\.\d+-.*\.part", re.DOTALL)  # by somebody who died while writing it


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What lies in the folder."""

    files: dict[str, str] = field(default_factory=dict[str, str])
    """The digest of each file, by its name."""
    bad: dict[str, str] = field(default_factory=dict[str, str])
    """Files that can't be read, and why: they are there, and left alone."""
    is_missing: bool = False
    """Whether there is no folder at all."""


class MirrorFolder:
    """Reads and writes files of one format in one folder."""

    def __init__(self, path: Path, format: Format) -> None:
        self.path = path
        self.format = format

    async def scan(self) -> Scan:
        """What lies in it. Raises `BadItem` for a folder that can't be read."""
        return await anyio.to_thread.run_sync(self._scan)

    async def read(self, name: str) -> bytes:
        """A file; raises `BadItem`."""
        return await anyio.to_thread.run_sync(self._read, name)

    async def write(self, name: str, data: bytes, *, instead_of: str | None) -> None:
        """Write a file in place of one with this digest, or of none.

        Raises `BadItem` when something else is there: somebody has changed it meanwhile.
        """
        await anyio.to_thread.run_sync(self._write, name, data, instead_of)

    async def remove(self, name: str, digest: str) -> None:
        """Remove a file that has this digest; raises `BadItem` when it has not."""
        await anyio.to_thread.run_sync(self._remove, name, digest)

    async def rename(self, name: str, then: str) -> None:
        """Give a file another name that is free; raises `BadItem`."""
        await anyio.to_thread.run_sync(self._rename, name, then)

    def _scan(self) -> Scan:
        scan = Scan()
        try:
            names = sorted(os.listdir(self.path))
        except FileNotFoundError:
            return Scan(is_missing=True)
        except OSError as error:
            raise BadItem(f"the folder can't be read: {error.strerror}") from error
        for name in names:
            if name.startswith("."):
                if _LEFT.fullmatch(name):
                    with suppress(OSError):
                        (self.path / name).unlink()
            elif name.lower().endswith(self.format.suffix):
                self._look(name, scan)
        if len(scan.files) > _MOST:
            raise BadItem(f"the folder holds more than {_MOST} files")
        return scan

    def _look(self, name: str, scan: Scan) -> None:
        try:
            if name != shown(name):
                raise BadItem("its name can't be written everywhere")
            scan.files[name] = self.format.digest(self._read(name))
        except Gone:
            return
        except BadItem as error:
            scan.bad[name] = str(error)

    def _read(self, name: str) -> bytes:
        """Its bytes, of a plain file that is not too large, opened without waiting on it."""
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise BadItem("it is not a file")
                data = file.read(_LARGEST + 1)
        except FileNotFoundError as error:
            raise Gone("it is gone") from error
        except OSError as error:
            raise BadItem(error.strerror or str(error)) from error
        if len(data) > _LARGEST:
            raise BadItem(f"it is larger than {_LARGEST // 1024} kB")
        return data

    def _digest(self, name: str) -> str | None:
        return self.format.digest(self._read(name)) if (self.path / name).exists() else None

    def _write(self, name: str, data: bytes, instead_of: str | None) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path / f".{os.getpid()}-{name[-100:]}{_HALF}"
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if self._digest(name) != instead_of:
                raise BadItem("somebody changed the file just now; the next sync takes it up")
            part.replace(self.path / name)
        except OSError as error:
            raise BadItem(f"the file can't be written: {error.strerror}") from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _remove(self, name: str, digest: str) -> None:
        found = self._digest(name)
        if found not in (digest, None):
            raise BadItem("somebody changed the file just now; the next sync takes it up")
        (self.path / name).unlink(missing_ok=True)

    def _rename(self, name: str, then: str) -> None:
        try:
            os.link(self.path / name, self.path / then)  # never over another file
            (self.path / name).unlink()
        except OSError as error:
            raise BadItem(f"it can't be renamed to {then}: {error.strerror}") from error
