"""Reads a backup back, trusting nothing in it: not its names, not its sizes, not its end.

A member must be a plain file or a folder, and its path stay below where it is put. What is unpacked
is counted as it comes: a file that is a bomb is given up long before the disk is full.
"""

import gzip
import os
import tarfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol, cast

import msgspec

from app.services.backup.errors import BadBackup
from app.services.backup.manifest import FORMAT, LARGEST, MEMBER, Manifest, SavedFile
from app.services.entries import shown
from app.services.tree import chunks_of, read_path, split

_LONGEST_HEADER = 1024**2  # bytes: a path has no more
_HEADERS = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
_BLOCK = 64 * 1024  # bytes
_TOLD = 20  # problems that are told; reading goes no further


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a backup may unpack to."""

    members: int = 2_000_000
    ratio: int = 200
    """Times its own size, once it is more than `free`."""
    free: int = 1024**3

    def most(self, size: int) -> int:
        """How many bytes a backup of this size may hold."""
        return max(self.free, self.ratio * size)


USUAL = Limits()


class Sink(Protocol):
    """Takes what is in a backup."""

    def folder(self, path: str, mode: int) -> None:
        """Take a folder."""
        ...

    def file(self, path: str, chunks: Iterator[bytes], *, mode: int, mtime_ns: int) -> None:
        """Take a file, all of its chunks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a look through a whole backup has found."""

    manifest: Manifest | None
    problems: tuple[str, ...]

    def demand(self) -> Manifest:
        """The manifest of a backup that is whole; raises `BadBackup`."""
        if self.problems or self.manifest is None:
            raise BadBackup("; ".join(self.problems[:3]) or "it has no manifest: it is unfinished")
        return self.manifest


class Nowhere:
    """Takes it all, and keeps nothing."""

    def folder(self, path: str, mode: int) -> None:
        """Take a folder."""

    def file(self, path: str, chunks: Iterator[bytes], *, mode: int, mtime_ns: int) -> None:
        """Take a file."""
        del path, mode, mtime_ns
        for _ in chunks:
            pass


def read_backup(
    path: Path,
    *,
    sink: Sink | None = None,
    stop: Callable[[], bool] = lambda: False,
    limits: Limits = USUAL,
) -> Checked:
    """Read all of it into the sink, comparing it with its manifest; blocking."""
    reading = _Reading(sink or Nowhere(), stop, limits)
    with _opened(path, limits) as (tar, rest):
        try:
            for member in tar:
                reading.take(tar, member)
            rest.read_zeros()
        except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
            reading.problems.append(f"it is damaged: {error}")
        except BadBackup as error:
            reading.problems.append(str(error))
    return reading.ended()


class _Reading:
    """What was read so far."""

    def __init__(self, sink: Sink, stop: Callable[[], bool], limits: Limits) -> None:
        self._sink = sink
        self._stop = stop
        self._limits = limits
        self._found: dict[str, tuple[int, str]] = {}
        self._members = 0
        self._manifest: Manifest | None = None
        self.problems: list[str] = []

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Take the next member; raises `BadBackup` for one that no backup of ours has."""
        self._members += 1
        if self._members > self._limits.members:
            raise BadBackup(f"it has more than {self._limits.members:,} files")
        if self._manifest is not None:
            raise BadBackup("something comes after its end")
        _refuse_unsafe(member)
        if member.isdir():
            self._sink.folder(member.name, member.mode)
            return
        content = tar.extractfile(member)
        assert content is not None
        if member.name == MEMBER:
            self._manifest = _manifest(content, member.size)
        else:
            self._file(member, content)

    def _file(self, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        if member.name in self._found:
            raise BadBackup(f"{shown(member.name)} is in it twice")
        digest, size = sha256(), 0

        def chunks() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks_of(content.read, self._stop):
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        mtime_ns = int(member.mtime * 1e9)
        self._sink.file(member.name, chunks(), mode=member.mode, mtime_ns=mtime_ns)
        self._found[member.name] = size, digest.hexdigest()

    def ended(self) -> Checked:
        """Compare what was found with what the manifest says."""
        if self._manifest is not None:
            self._compare(self._manifest.files)
        elif not self.problems:
            self.problems.append("it has no manifest: it is unfinished")
        return Checked(manifest=self._manifest, problems=tuple(self.problems[:_TOLD]))

    def _compare(self, promised: tuple[SavedFile, ...]) -> None:
        for each in promised:
            path = read_path(each.path)
            found = self._found.pop(path, None)
            if found is None:
                self.problems.append(f"{shown(path)} is missing")
            elif found != (each.size, each.sha256):
                self.problems.append(f"{shown(path)} is not what was saved")
        self.problems += [f"{shown(path)} is not in its manifest" for path in self._found]


class _Member(tarfile.TarInfo):
    """A member whose headers can't be larger than a header is."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        """Read a header block, and refuse one that announces too much."""
        member = super().frombuf(buf, encoding, errors)
        if member.type in _HEADERS and member.size > _LONGEST_HEADER:
            raise BadBackup("a header in it is too large")
        return member


class _Counted:
    """What comes out of the gzip, up to a limit."""

    def __init__(self, file: gzip.GzipFile, most: int) -> None:
        self._file = file
        self._most = most
        self._read = 0

    def read(self, size: int) -> bytes:
        """Read on; raises `BadBackup` past the limit."""
        data = self._file.read(size)
        self._read += len(data)
        if self._read > self._most:
            raise BadBackup(f"it unpacks to more than {self._most:,} bytes")
        return data

    def read_zeros(self) -> None:
        """Read to the end, where the checksum is; raises `BadBackup` for what is not padding."""
        while data := self.read(_BLOCK):
            if data.strip(b"\0"):
                raise BadBackup("something comes after its end")


@contextmanager
def _opened(path: Path, limits: Limits) -> Generator[tuple[tarfile.TarFile, "_Counted"]]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with ExitStack() as stack:
        file = stack.enter_context(open(descriptor, "rb"))
        unzipped = stack.enter_context(gzip.GzipFile(fileobj=file))
        counted = _Counted(unzipped, limits.most(os.fstat(descriptor).st_size))
        try:
            stream = cast("IO[bytes]", counted)
            tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member))
        except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
            raise BadBackup(f"{path.name} is no backup: {error}") from error
        yield tar, counted


def _refuse_unsafe(member: tarfile.TarInfo) -> None:
    try:
        split(member.name.rstrip("/"))
    except ValueError as error:
        raise BadBackup(f"it holds what leads out of it: {shown(member.name)}") from error
    if not (member.isreg() or member.isdir()):
        raise BadBackup(f"it holds what is no plain file: {shown(member.name)}")


def _manifest(content: IO[bytes], size: int) -> Manifest:
    if size > LARGEST:
        raise BadBackup("its manifest is too large")
    try:
        manifest = msgspec.json.decode(content.read(), type=Manifest)
    except (msgspec.DecodeError, ValueError) as error:
        raise BadBackup(f"its manifest can't be read: {error}") from error
    if manifest.format != FORMAT:
        raise BadBackup(f"a newer Steward has made it (format {manifest.format})")
    return manifest
