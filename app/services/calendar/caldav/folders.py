"""Which folder a calendar is mirrored in: named by its title at first, and known by a mark since.

A calendar that gets another title, or a second one of the same, must not find the other's files in
its place: it would send them to the server as its own, and remove there what is not among them.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from app.services.calendar.caldav.discovery import Found
from app.services.ics.event import cleaned

LONGEST: Final = 60  # characters of a folder's name
_SHORT: Final = 6  # characters of a digest that tell two calendars of one title apart
_UNFIT: Final = '/\\:*?"<>|'
_MARK: Final = ".calendar"


def folders_of(calendars: Sequence[Found], root: Path) -> list[tuple[Found, Path]]:
    """Each calendar's folder, be it there or not; blocking."""
    marked = _marked(root)
    taken = {folder.name.casefold() for folder in marked.values()}
    folders = list[tuple[Found, Path]]()
    for each in calendars:
        folder = marked.get(_digest(each))
        if folder is None:
            name = _name(each.title)
            if name.casefold() in taken:
                name = f"{name} ({_digest(each)[:_SHORT]})"
            taken.add(name.casefold())
            folder = root / name
        folders.append((each, folder))
    return folders


def mark(folder: Path, calendar: Found) -> None:
    """Have a folder that is there say whose it is; blocking."""
    path = folder / _MARK
    with suppress(OSError):  # nothing was mirrored yet; or it is known by its name until it can be
        if _read(path) != _digest(calendar):
            part = path.with_name(f"{_MARK}.part")
            part.write_text(_digest(calendar))
            part.replace(path)


def _marked(root: Path) -> dict[str, Path]:
    """The folders by their marks; of a folder and its copies the first."""
    marked = dict[str, Path]()
    with suppress(FileNotFoundError):
        for folder in sorted(root.iterdir()):
            if digest := _read(folder / _MARK):
                marked.setdefault(digest, folder)
    return marked


def _read(path: Path) -> str:
    with suppress(OSError, ValueError):
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            return file.read(100).strip()
    return ""


def _digest(calendar: Found) -> str:
    return sha256(calendar.url.encode()).hexdigest()


def _name(title: str) -> str:
    """A title as the name of a folder, wherever that may be."""
    text = "".join("-" if c in _UNFIT else c for c in cleaned(title, LONGEST) if c >= " ")
    return text.strip(" .") or "calendar"
