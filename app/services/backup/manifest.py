"""What is in a backup, written at its end: one that has no manifest was never finished."""

from datetime import datetime
from typing import Final

import msgspec

MEMBER: Final = "manifest.json"
FORMAT: Final = 1
LARGEST: Final = 256 * 1024**2
"""Bytes of a manifest: two million files."""


class SavedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a backup."""

    path: str
    """As `written`: names are made of any bytes."""
    size: int
    sha256: str
    user: int
    """Whose it is; 0 for what is everybody's."""


class SavedUser(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup has of one user, beside their rows in the database."""

    id: int
    files: int = 0
    size: int = 0
    failed: int = 0
    """Files of theirs that could not be read."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that is in a backup."""

    format: int = FORMAT
    made_at: datetime
    schema: str
    """The last step the database's tables had taken; empty without a database."""
    users: tuple[SavedUser, ...]
    files: tuple[SavedFile, ...]
    skipped: int = 0
    """Links, sockets and devices, which no backup holds."""
    errors: tuple[str, ...] = ()

    def as_bytes(self) -> bytes:
        """The manifest as it stands in the backup."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)
