"""A page's title as a file's name, and back."""

from typing import Final

from app.services.ics.event import cleaned

SUFFIX: Final = ".md"
_LONGEST: Final = 100  # characters, which in UTF-8 are less than the 255 bytes of a file's name
_MOST_BYTES: Final = 200
_UNFIT: Final = '/\\:*?"<>|\n\t'
_UNTITLED: Final = "Untitled"


def file_name(title: str) -> str:
    """What a file is called for this title, on any system; several titles may share it."""
    text = "".join("-" if c in _UNFIT else c for c in cleaned(title, _LONGEST))
    while len(text.encode()) > _MOST_BYTES:
        text = text[:-1]
    return (text.strip(" .") or _UNTITLED) + SUFFIX


def title_of(name: str) -> str:
    """The title for a file of this name."""
    return name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else name
