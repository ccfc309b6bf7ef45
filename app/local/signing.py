"""The key that signs payloads, where nobody configured one: made once, kept in the home."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from app.local.errors import HomeUnusable

_KEY = "secret.key"
_LENGTH = 32  # bytes


def signing_key(home: Path) -> bytes:
    """The home's own key, for its owner's eyes only; made at first use, by whoever comes first.

    Raises `HomeUnusable` when it can't be written, or what is there is no key.
    """
    path = home / _KEY
    try:
        if not path.exists():
            _make(path)
        key = bytes.fromhex(path.read_text())
    except (OSError, ValueError) as error:
        raise HomeUnusable(home, OSError(f"{_KEY} can't be used: {error}")) from error
    if len(key) < _LENGTH:
        raise HomeUnusable(home, OSError(f"{_KEY} is too short to sign with"))
    return key


def _make(path: Path) -> None:
    """Write a key beside, then link it into place: nobody ever reads half a key."""
    draft = path.with_name(f"{_KEY}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(_LENGTH))
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
