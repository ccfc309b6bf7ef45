"""One Maildir: a folder in which each mail is a file, so that nobody needs a lock.

    tmp/   being written
    new/   arrived, not seen by anyone
    cur/   seen; flags stand behind a colon in the name

A mail is written in tmp/ and then linked into its place, whole or not at all. All of this blocks:
it is called in a thread.
"""

import os
import stat
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from tempfile import NamedTemporaryFile

from app.services.mail.errors import BadLetter, LetterGone

_FLAGS = ":2,"  # what separates a mail's own name from its flags
_SEEN = f"{_FLAGS}S"


class Maildir:
    """The mails in one folder; a mail's name is its path below it, such as `new/17.host`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Create the folder, for its owner's eyes only, unless it is there."""
        for each in ("tmp", "new", "cur"):
            (self.path / each).mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, unique: str, content: bytes) -> bool:
        """Write a mail that was seen; False when there is one of this unique name already."""
        self.make()
        if unique in map(_unique, self.names()):
            return False
        with NamedTemporaryFile(dir=self.path / "tmp", prefix="keep-") as draft:
            draft.write(content)
            draft.flush()
            os.fsync(draft.fileno())
            try:
                os.link(draft.name, self.path / "cur" / f"{unique}{_SEEN}")
            except FileExistsError:
                return False
        _sync(self.path / "cur")
        return True

    def names(self) -> list[str]:
        """Every mail, in the order of their own names, which begin with the time of arrival."""
        found = [
            f"{where}/{name}"
            for where in ("new", "cur")
            if (self.path / where).is_dir()
            for name in os.listdir(self.path / where)
            if not name.startswith(".")
        ]
        return sorted(found, key=_unique)

    def slip(self, name: str) -> tuple[str, int, str] | None:
        """A mail's own name, its size and its flags; None when it is not here any more."""
        try:
            size = os.lstat(self.path / name).st_size
        except FileNotFoundError:
            return None
        return _unique(name), size, name.partition(_FLAGS)[2]

    def head(self, name: str, size: int) -> bytes:
        """The first `size` bytes of a mail; raises `BadLetter` for a link, pipe or folder."""
        try:
            if not stat.S_ISREG(os.lstat(self.path / name).st_mode):
                raise BadLetter("it is not a plain file")
            with open(self.path / name, "rb", opener=_open_no_link) as file:
                return file.read(size)
        except FileNotFoundError as error:
            raise LetterGone("it is not in this folder any more") from error
        except PermissionError as error:
            raise BadLetter("its file may not be read") from error

    def move(self, name: str, target: "Maildir") -> None:
        """Move a mail, flags and all, beside one of the same name if need be.

        Raises `LetterGone` when it is not here.
        """
        target.make()
        place = target.path / name
        if os.path.lexists(place):
            place = place.with_name(token_hex(16) + place.name.removeprefix(_unique(name)))
        try:
            os.rename(self.path / name, place)
        except FileNotFoundError as error:
            raise LetterGone("it is not in this folder any more") from error


def key_of(name: str, head: bytes) -> str:
    """What tells a mail from every other: its own name, without flags, and how it begins."""
    return blake2b(os.fsencode(_unique(name)) + b"\0" + head, digest_size=16).hexdigest()


def _unique(name: str) -> str:
    return name.partition("/")[2].partition(_FLAGS)[0]


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _sync(folder: Path) -> None:
    """Make the folder's entries survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
