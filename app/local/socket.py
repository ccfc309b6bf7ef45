"""The unix socket of a home's Valkey, and a ping through it.

It lies in the home, unless that path is longer than the system allows for sockets; then in a
folder under /tmp named after the home, which must be ours alone. /tmp and not TMPDIR: everyone who
uses the home has to find the same place.
"""

import hashlib
import os
import stat
from pathlib import Path

import anyio

from app.local.errors import HomeUnusable

LONGEST = 100  # bytes; Linux takes 107, macOS 103


def socket_path(home: Path) -> Path:
    """Return where the socket belongs; raise HomeUnusable if its short place is not ours."""
    path = home / "valkey.sock"
    return path if len(os.fsencode(path)) <= LONGEST else _short_folder(home) / path.name


async def answers(path: Path, *, patience: float) -> bool:
    """Tell whether a server behind the socket is ready to work; one that still loads is not."""
    with anyio.move_on_after(patience):
        try:
            async with await anyio.connect_unix(path) as stream:
                await stream.send(b"PING\r\n")
                return (await stream.receive()).startswith(b"+PONG")
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
            return False
    return False


def _short_folder(home: Path) -> Path:
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    folder = Path("/tmp", f"steward-{os.getuid()}-{name}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _refuse_strangers(folder)
    except OSError as error:
        raise HomeUnusable(folder, error) from error
    return folder


def _refuse_strangers(folder: Path) -> None:
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid != os.getuid():
        raise PermissionError(0, "it belongs to somebody else")
