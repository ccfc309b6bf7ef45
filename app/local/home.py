"""The home: the folder that holds everything Steward keeps on this machine."""

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from app.local.errors import AlreadyRunning, HomeUnusable
from app.local.lock import Lock

LOGS = "logs"
VALKEY = "valkey"  # its append-only file
# Services make their own folders beside these.

USERS_LOCK = "users.lock"
GATE_LOCK = "gate.lock"
SERVER_LOCK = "server.lock"
START_LOCK = "start.lock"


def prepare_home(home: Path) -> Path:
    """Make the home, for its owner's eyes only, and prove that it can be used; repeatable.

    Returns its real path, which stays true if the working directory changes.
    """
    try:
        home = home.resolve()
        for folder in (home, home / LOGS, home / VALKEY):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _prove_writable(folder)
        for name in (USERS_LOCK, GATE_LOCK, SERVER_LOCK, START_LOCK):
            with Lock(home / name):
                pass
    except OSError as error:
        raise HomeUnusable(home, error) from error
    return home


@contextmanager
def only_start(home: Path) -> Generator[None]:
    """Be the only `start` on this home; workers and commands don't ask, they are welcome."""
    home = prepare_home(home)
    with Lock(home / START_LOCK) as lock:
        if not lock.take():
            raise AlreadyRunning(home, _pid_in(lock))
        lock.write(f"{os.getpid()}\n")
        yield


def _prove_writable(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # some network file systems have no locks


def _pid_in(lock: Lock) -> int | None:
    text = lock.read().strip()
    return int(text) if text.isdecimal() else None
