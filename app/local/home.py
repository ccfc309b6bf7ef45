"""The home: the folder that holds everything Steward keeps on this machine."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from app.local.errors import AlreadyRunning, HomeUnusable
from app.local.lock import Lock

FOLDERS = ("logs", "valkey")
"""What every home has; services make their own folders beside these."""


def prepare_home(home: Path) -> None:
    """Make the home, for its owner's eyes only, and prove that it can be written; repeatable."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in FOLDERS:
            (home / folder).mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise HomeUnusable(home, error) from error


@contextmanager
def only_start(home: Path) -> Generator[None]:
    """Be the only `start` on this home; workers and commands don't ask, they are welcome."""
    prepare_home(home)
    with Lock(home / "start.lock") as lock:
        if not lock.take():
            raise AlreadyRunning(home, _pid_in(lock))
        lock.write(f"{os.getpid()}\n")
        yield


def _pid_in(lock: Lock) -> int | None:
    text = lock.read().strip()
    return int(text) if text.isdecimal() else None
