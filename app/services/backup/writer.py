"""Writes one backup: a tar in gzip, file by file as each was at one moment, the manifest last."""

import gzip
import os
import stat
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, ParamSpec, TypeVar

from app.services.backup.manifest import MEMBER, SavedFile
from app.services.entries import Entry
from app.services.tree import Stopped, chunks_of, reason_of, written

P = ParamSpec("P")
T = TypeVar("T")

_IN_MEMORY = 4 * 1024**2  # bytes of a file that is read before it is known to have kept still
_LOOKS = 3  # at a file that somebody writes to
_LEVEL = 6
_PIECE = 256 * 1024  # bytes handed to gzip in one go


class Unreadable(Exception):
    """A file could not be read; nothing of it was written."""

    def __init__(self, error: OSError) -> None:
        super().__init__(reason_of(error))
        self.is_gone = isinstance(error, FileNotFoundError)


class Hashed:
    """A file that is written to, and its SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = sha256()

    def write(self, data: bytes) -> int:
        """Write on."""
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Hand it over to the system."""
        self._file.flush()


class _Stoppable:
    """A file that is read until nobody waits for it any more."""

    def __init__(self, file: IO[bytes], stop: Callable[[], bool]) -> None:
        self._file = file
        self._stop = stop

    def read(self, size: int = -1) -> bytes:
        """Read on; raises `Stopped`."""
        if self._stop():
            raise Stopped
        return self._file.read(size)


@dataclass(slots=True)
class Copy:
    """The contents of a file that kept still while it was read."""

    content: "SpooledTemporaryFile[bytes]"
    status: os.stat_result
    sha256: str


@dataclass(slots=True, kw_only=True)
class Writer:
    """Puts files into a backup."""

    file: IO[bytes]
    stop: Callable[[], bool]
    saved: list[SavedFile] = field(default_factory=list[SavedFile])
    _out: Hashed = field(init=False)
    _gzip: gzip.GzipFile = field(init=False)
    _tar: tarfile.TarFile = field(init=False)

    def __post_init__(self) -> None:
        self._out = Hashed(self.file)
        self._gzip = gzip.GzipFile("", "wb", _LEVEL, self._out, mtime=0)
        self._tar = tarfile.TarFile(
            fileobj=self._gzip, mode="w", format=tarfile.PAX_FORMAT, copybufsize=_PIECE
        )

    def add_folder(self, path: str, entry: Entry) -> None:
        """Put a folder in, without what is in it."""
        member = tarfile.TarInfo(path)
        member.type, member.mode = tarfile.DIRTYPE, entry.status.st_mode & 0o777
        self._tar.addfile(member)

    def add_file(self, path: str, open_file: Callable[[], int], *, user: int) -> None:
        """Put a file in; raises `Unreadable`, having written nothing, if it can't be read."""
        copy = self._copied(open_file)
        with copy.content:
            member = tarfile.TarInfo(path)
            member.size, member.mode = copy.status.st_size, copy.status.st_mode & 0o777
            member.mtime = copy.status.st_mtime_ns / 1e9
            self._tar.addfile(member, _Stoppable(copy.content, self.stop))
        self.saved.append(
            SavedFile(path=written(path), size=member.size, sha256=copy.sha256, user=user)
        )

    def finish(self, manifest: bytes) -> str:
        """Put the manifest in and close; returns the SHA-256 of the whole file."""
        member = tarfile.TarInfo(MEMBER)
        member.size, member.mode = len(manifest), 0o600
        self._tar.addfile(member, BytesIO(manifest))
        self._tar.close()
        self._gzip.close()
        return self._out.digest.hexdigest()

    def _copied(self, open_file: Callable[[], int]) -> Copy:
        for _ in range(_LOOKS):
            content = SpooledTemporaryFile[bytes](_IN_MEMORY)
            with ExitStack() as closing_it:
                closing_it.enter_context(content)
                if copy := self._copy(open_file, content):
                    closing_it.pop_all()
                    return copy
        raise Unreadable(BlockingIOError("it is being written to"))

    def _copy(
        self, open_file: Callable[[], int], content: "SpooledTemporaryFile[bytes]"
    ) -> Copy | None:
        """Read it all; None if it was written to meanwhile."""
        digest = sha256()
        with open(_asked(open_file), "rb") as source:
            before = os.fstat(source.fileno())
            for chunk in chunks_of(partial(_asked, source.read), self.stop):
                digest.update(chunk)
                content.write(chunk)
            after = os.fstat(source.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise Unreadable(OSError("it is no plain file"))
        if not _is_same(before, after) or content.tell() != before.st_size:
            return None
        content.seek(0)
        return Copy(content, before, digest.hexdigest())


def _asked(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the source says; its errors are told from the backup's, whose disk may be full."""
    try:
        return ask(*args, **kwargs)
    except OSError as error:
        raise Unreadable(error) from error


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_ino, one.st_size, one.st_mtime_ns) == (
        other.st_ino,
        other.st_size,
        other.st_mtime_ns,
    )
