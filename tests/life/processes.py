"""Worker processes, started as their users start them."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import psutil

from app.engine import Client, seconds
from tests.eventually import eventually

ARQ = Path(sys.executable).parent / "arq"
_LONG = seconds(30)


class _Process(Protocol):
    """What `subprocess` and others know of one."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, sig: int, /) -> None: ...
    def wait(self) -> int: ...


class WorkerProcess:
    """`arq <settings class>`, in a session of its own; what it says goes to a file."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        folder: Path,
        output: Path,
        program: Sequence[str | Path] = (ARQ,),
    ) -> None:
        """Starts it in `folder`; `program` stands for `arq`."""
        self._output = output
        with output.open("wb") as file:
            self._process: _Process = subprocess.Popen(
                [*program, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id; `--watch` keeps it."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def said(self) -> str:
        """All it has said so far."""
        return self._output.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ready(self, client: Client) -> "WorkerProcess":
        """Return once it shows up among the live workers."""

        async def look() -> bool:
            assert self.is_alive, self.said()
            return any(each.pid == self.pid for each in await client.workers())

        await eventually(look, within=_LONG)
        return self

    async def exit_code(self, *, within: timedelta = _LONG) -> int:
        """Wait for it to end; negative when a signal ended it."""

        async def look() -> bool:
            return not self.is_alive

        await eventually(look, within=within)
        return self._process.wait()

    def children(self) -> set[int]:
        """The processes that it started and that have not ended."""
        with suppress(psutil.NoSuchProcess):
            return {each.pid for each in psutil.Process(self.pid).children(recursive=True)}
        return set()

    def end(self) -> None:
        """Leave nothing of it behind, its children included."""
        for group in (self.pid, *self.children()):  # a supervised one has a group of its own
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._process.wait()
