"""Which kind of thing a file is, told by its name, or by how it begins where the name says nothing.

The user's own rules come first, in their order: patterns as a shell's, without regard to case.
"""

from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

HEAD: Final = 64
"""How many bytes of a file are looked at."""


class Kind(StrEnum):
    """The folders that files are put into."""

    DOCUMENTS = "documents"
    IMAGES = "images"
    AUDIO = "audio"
    VIDEO = "video"
    ARCHIVES = "archives"
    CODE = "code"
    DATA = "data"
    CALENDARS = "calendars"
    BOOKS = "books"
    OTHER = "other"


_ENDINGS = {
    Kind.DOCUMENTS: "pdf doc docx odt rtf txt md tex xls xlsx ods ppt pptx odp pages numbers key",
    Kind.IMAGES: "jpg jpeg png gif webp bmp tif tiff svg heic heif avif ico psd raw cr2 nef dng",
    Kind.AUDIO: "mp3 flac ogg oga opus wav m4a aac wma aiff mid midi",
    Kind.VIDEO: "mp4 mkv webm mov avi m4v mpg mpeg wmv flv ogv 3gp",
    Kind.ARCHIVES: "zip tar gz tgz bz2 xz zst 7z rar iso dmg deb rpm jar",
    Kind.CODE: "py js ts c h cpp rs go java rb sh html css sql toml lua ipynb",
    Kind.DATA: "csv tsv json jsonl xml yaml yml sqlite db parquet log",
    Kind.CALENDARS: "ics vcs vcf",
    Kind.BOOKS: "epub mobi azw3 djvu cbz",
}
_BY_ENDING = {ending: kind for kind, all_ in _ENDINGS.items() for ending in all_.split()}

_BEGINNINGS = (
    (b"%PDF-", Kind.DOCUMENTS),
    (b"{\\rtf", Kind.DOCUMENTS),
    (b"\x89PNG\r\n\x1a\n", Kind.IMAGES),
    (b"\xff\xd8\xff", Kind.IMAGES),
    (b"GIF8", Kind.IMAGES),
    (b"ID3", Kind.AUDIO),
    (b"fLaC", Kind.AUDIO),
    (b"OggS", Kind.AUDIO),
    (b"\x1a\x45\xdf\xa3", Kind.VIDEO),
    (b"PK\x03\x04", Kind.ARCHIVES),
    (b"\x1f\x8b", Kind.ARCHIVES),
    (b"7z\xbc\xaf\x27\x1c", Kind.ARCHIVES),
    (b"Rar!", Kind.ARCHIVES),
    (b"BEGIN:VC", Kind.CALENDARS),
    (b"SQLite format 3\0", Kind.DATA),
)
_UNFINISHED = ("part", "partial", "crdownload", "download", "tmp", "swp", "lock", "opdownload")


def is_unfinished(name: str) -> bool:
    """Whether some other program is at work on it, by its name."""
    return name.startswith((".", "~")) or name.endswith("~") or _ending(name) in _UNFINISHED


def folder_for(name: str, head: bytes, rules: Mapping[str, str]) -> str:
    """The folder that a file belongs into."""
    for pattern, folder in rules.items():
        if fnmatchcase(name.lower(), pattern.lower()):
            return folder
    return (_BY_ENDING.get(_ending(name)) or _by_beginning(head)).value


def _by_beginning(head: bytes) -> Kind:
    if head[4:8] == b"ftyp":
        return Kind.IMAGES if head[8:12] in (b"heic", b"avif", b"mif1") else Kind.VIDEO
    if head[:4] == b"RIFF":
        return {b"WEBP": Kind.IMAGES, b"WAVE": Kind.AUDIO}.get(head[8:12], Kind.VIDEO)
    return next((kind for start, kind in _BEGINNINGS if head.startswith(start)), Kind.OTHER)


def _ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return ending.lower() if dot and stem else ""
