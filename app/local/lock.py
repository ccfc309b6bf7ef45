"""A lock on a file that ends with its holder, however that dies.

flock belongs to the open file, not to the process: a child that inherits the descriptor holds the
lock as well, and it is free once the last of them is gone. That is how a Valkey outlives the
process that started it and can still be found. So a lock is only ever closed, never unlocked:
unlocking would take it from the child too.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

POLL = 0.02
"""Seconds between two looks at something that gives no sign of its own: a lock, a process."""


class Lock:
    """A lock file, open and not yet taken."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        """Return the descriptor, for a child process to inherit."""
        return self._descriptor

    def take(self) -> bool:
        """Have the lock alone, or answer False at once; a share held before may be lost."""
        return self._flock(fcntl.LOCK_EX)

    def share(self) -> bool:
        """Have the lock with others who share it, or answer False at once."""
        return self._flock(fcntl.LOCK_SH)

    async def wait(self, patience: float) -> None:
        """Have the lock alone as soon as it is free; TimeoutError after `patience` seconds."""
        with anyio.fail_after(patience):
            while not self.take():
                await anyio.sleep(POLL)

    def read(self) -> str:
        """Return what the holder wrote."""
        return os.pread(self._descriptor, 1024, 0).decode(errors="replace")

    def write(self, text: str) -> None:
        """Leave word for those who find the lock taken."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def _flock(self, how: int) -> bool:
        try:
            fcntl.flock(self._descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
