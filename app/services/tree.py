"""A folder and all that is below it, read and written without ever leaving it.

Each step down goes through the descriptor of the folder above and follows no link, so that nobody
can lead us out by swapping a folder for a link meanwhile. A file is written under another name,
synced, and only then put in its place: whoever looks sees the old one or the new one, and a crash
leaves a part that the next walk passes over.
"""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote_from_bytes, unquote_to_bytes

from app.services.entries import Entry, entries, opened, shown

PART = ".steward-part-"
"""What the name of a file begins with that is still being written."""
_DEEPEST = 100  # folders inside each other, each of which costs an open descriptor
_CHUNK = 1024**2


class Stopped(Exception):
    """Whoever waits for the work has gone."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something below the root."""

    path: str
    """Seen from the root, with `/`; of any bytes, as the file system gives them."""
    entry: Entry


@dataclass(frozen=True, slots=True)
class Unread:
    """Something below the root that could not be looked at."""

    path: str
    reason: str


def _nobody(_path: str, _entry: Entry) -> bool:
    return False


class Tree:
    """The folder that a descriptor is open on."""

    def __init__(self, root: int) -> None:
        self._root = root

    def walk(self, *, skip: Callable[[str, Entry], bool] = _nobody) -> Iterator[Found | Unread]:
        """All there is, a folder before what is in it; what vanishes meanwhile is left out.

        An entry can be opened as long as the next one was not asked for.
        """
        yield from self._walk(self._root, "", skip, device=os.fstat(self._root).st_dev, depth=0)

    def _walk(
        self,
        folder: int,
        above: str,
        skip: Callable[[str, Entry], bool],
        *,
        device: int,
        depth: int,
    ) -> Iterator[Found | Unread]:
        for entry in entries(folder):
            path = above + entry.name
            if entry.name.startswith(PART) or skip(path, entry):
                continue
            yield Found(path, entry)
            if entry.is_folder and entry.status.st_dev == device:
                yield from self._below(entry, path, skip, device=device, depth=depth + 1)

    def _below(
        self,
        entry: Entry,
        path: str,
        skip: Callable[[str, Entry], bool],
        *,
        device: int,
        depth: int,
    ) -> Iterator[Found | Unread]:
        if depth > _DEEPEST:
            yield Unread(path, "too many folders inside each other")
            return
        try:
            with opened(entry.name, inside=entry.folder) as folder:
                yield from self._walk(folder, f"{path}/", skip, device=device, depth=depth)
        except FileNotFoundError:
            return
        except OSError as error:
            yield Unread(path, reason_of(error))

    def status(self, path: str) -> os.stat_result | None:
        """What is there, a link as a link; None when there is nothing."""
        with suppress(FileNotFoundError), self._above(path) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        return None

    def open_file(self, path: str) -> int:
        """A descriptor to read it; raises OSError for a link, and for what is not there."""
        with self._above(path) as (folder, name):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            return os.open(name, flags, dir_fd=folder)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it, unless they are there."""
        with self._above(f"{path}/x", make=True):
            return

    def write(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        mode: int = 0o600,
        mtime_ns: int | None = None,
        replace: bool = False,
        may_replace: Callable[[], bool] = lambda: True,
    ) -> None:
        """Write a file, whole or not at all. Raises FileExistsError for one that is there.

        With `replace` it takes the place of what is there, if `may_replace` still says so then.
        """
        with self._above(path, make=True) as (folder, name):
            part = f"{PART}{token_hex(8)}"
            try:
                _write(folder, part, chunks, mode=mode, mtime_ns=mtime_ns)
                if not replace:
                    os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder)
                elif may_replace():
                    os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
                else:
                    raise BlockingIOError("it is being written to")
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)
            os.fsync(folder)

    def link(self, folder: int, name: str, path: str) -> None:
        """Give a file of an open folder this name, too; raises FileExistsError if it is taken."""
        with self._above(path, make=True) as (here, new):
            os.link(name, new, src_dir_fd=folder, dst_dir_fd=here, follow_symlinks=False)
            os.fsync(here)

    def remove(self, path: str) -> None:
        """Remove a file, and the folders above it that are empty then."""
        with self._above(path) as (folder, name):
            os.unlink(name, dir_fd=folder)
        with suppress(OSError):
            while "/" in path:
                path = path.rpartition("/")[0]
                with self._above(path) as (folder, name):
                    os.rmdir(name, dir_fd=folder)

    def remove_parts(self) -> None:
        """Remove what somebody who was killed has left half written."""
        for found in list(self._parts(self._root, depth=0)):
            with suppress(FileNotFoundError):
                self.remove(found)

    def _parts(self, folder: int, *, depth: int, above: str = "") -> Iterator[str]:
        for entry in entries(folder):
            if entry.is_folder and depth < _DEEPEST:
                with suppress(OSError), opened(entry.name, inside=folder) as below:
                    yield from self._parts(below, depth=depth + 1, above=f"{above}{entry.name}/")
            elif entry.is_file and entry.name.startswith(PART):
                yield above + entry.name

    @contextmanager
    def _above(self, path: str, *, make: bool = False) -> Generator[tuple[int, str]]:
        """The open folder that a path is in, and its name there."""
        *folders, name = split(path)
        with ExitStack() as stack:
            here = self._root
            for each in folders:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(each, mode=0o700, dir_fd=here)
                here = stack.enter_context(opened(each, inside=here))
            yield here, name


def split(path: str) -> list[str]:
    """The names a path is made of; raises ValueError for one that could lead out."""
    names = path.split("/")
    if any(name in ("", ".", "..") or "\0" in name for name in names):
        raise ValueError(f"{shown(path)} is no path below a folder")
    return names


@contextmanager
def open_tree(path: Path, *, make: bool = False) -> Generator[Tree]:
    """The folder at a path; raises OSError for anything else, a link to one included."""
    if make:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with opened(path) as root:
        yield Tree(root)


def chunks_of(read: Callable[[int], bytes], stop: Callable[[], bool]) -> Iterator[bytes]:
    """What can be read, piece by piece; raises `Stopped` between two of them."""
    while chunk := read(_CHUNK):
        if stop():
            raise Stopped
        yield chunk


def written(path: str) -> str:
    """A path of any bytes, in ASCII."""
    return quote_from_bytes(os.fsencode(path), safe="/ !#$&'()+,;=@[]{}")


def read_path(text: str) -> str:
    """The path that `written` has made this of."""
    return os.fsdecode(unquote_to_bytes(text))


def reason_of(error: OSError) -> str:
    """What an error says, without the path, which may be of any bytes."""
    return error.strerror or str(error)


def _write(
    folder: int, part: str, chunks: Iterable[bytes], *, mode: int, mtime_ns: int | None
) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(part, flags, 0o600, dir_fd=folder), "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fchmod(file.fileno(), mode & 0o777)
        os.fsync(file.fileno())
        if mtime_ns is not None:
            os.utime(file.fileno(), ns=(mtime_ns, mtime_ns))
