"""Where a storm's workers come from: a process that has read all code, and forks when asked.

A worker that begins with nothing takes a second of the machine until it works, which is longer than
one lives in a storm. `python -m storm.nursery` reads the words of one worker a line, where what it
says shall go first, and answers with its process id.
"""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import IO

import msgspec
import psutil

from storm import worker
from tests.life.ledger import VARIABLE, Ledger
from tests.life.processes import WorkerProcess

_ROOT = Path(__file__).parents[2]
_WORDS = msgspec.json.Decoder(list[str])


def environment(ledger: Ledger) -> dict[str, str]:
    """What a storm's processes find themselves in."""
    path = f"{_ROOT / 'scripts'}{os.pathsep}{_ROOT}"
    return os.environ | {VARIABLE: str(ledger.path), "PYTHONPATH": path}


class Nursery:
    """Asks that process."""

    def __init__(self, wishes: IO[bytes], born: IO[bytes]) -> None:
        self._wishes = wishes
        self._born = born
        self._one_by_one = Lock()

    def bear(self, *words: str, output: Path) -> WorkerProcess:
        """Start a worker with these words; blocks for a moment, the first time for longer."""
        with self._one_by_one:
            self._wishes.write(msgspec.json.encode([str(output), *words]) + b"\n")
            self._wishes.flush()
            return Nursling(int(self._born.readline()), output)


class Nursling(WorkerProcess):
    """A worker that has been forked."""

    def __init__(self, pid: int, output: Path) -> None:
        self._remember(output)
        self._process = _Distant(pid)


class _Distant:
    """A process that is nobody's here: whoever forked it lets it go unwaited."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        with suppress(psutil.NoSuchProcess):
            self._process = psutil.Process(pid)

    def poll(self) -> int | None:
        """0 once it has ended: how, nobody knows."""
        return None if self._is_there else 0

    def send_signal(self, number: int) -> None:
        """Nothing happens if it has ended."""
        if self._is_there:
            with suppress(psutil.NoSuchProcess):
                self._process.send_signal(number)

    def wait(self) -> int:
        """Until it has ended."""
        if self._is_there:
            self._process.wait()
        return 0

    @property
    def _is_there(self) -> bool:
        return hasattr(self, "_process") and self._process.is_running()


@contextmanager
def nursery(ledger: Ledger) -> Generator[Nursery]:
    """One for the workers of a storm, as long as the block lasts; they may live on."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "storm.nursery"],
        cwd=ledger.path.parent,
        env=environment(ledger),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield Nursery(process.stdin, process.stdout)


def main() -> None:
    """Fork until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that none stays a zombie
    gc.freeze()
    for line in sys.stdin.buffer:
        output, *words = _WORDS.decode(line)
        if not os.fork():
            os._exit(_lived(output, words))


def _lived(output: str, words: Sequence[str]) -> int:
    """The exit code of one worker, which is this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.write(1, f"{os.getpid()}\n".encode())
    with Path(output).open("wb") as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        return worker.main(*words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    main()
