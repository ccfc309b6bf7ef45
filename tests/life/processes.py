"""Worker processes, started as their users start them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Protocol

import psutil

from app.engine import Client, seconds
from tests.eventually import eventually

ARQ = Path(sys.executable).parent / "arq"
_LONG = seconds(30)
_MEANT_TO_END = {signal.SIGTERM, signal.SIGINT, signal.SIGKILL}
_REPLACED = re.compile(r"worker process (\d+) (.+) after [\d.]+ s; another takes its place")
_IN_ORDER = "has done its part"


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
        self._remember(output)
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

    def _remember(self, output: Path) -> None:
        self._output = output
        self.began = monotonic()
        self.sent = dict[signal.Signals, float]()
        """The signals that the test has sent it, each when it was the first of its kind."""
        self.may_end = False
        """Whether the story says that it may end by itself."""
        self.has_opened = False
        self._ended: float | None = None

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
        self.sent.setdefault(number, monotonic())

    @property
    def is_told_to_end(self) -> bool:
        """Whether the test has sent it a signal that means so."""
        return bool(self.sent.keys() & _MEANT_TO_END)

    @property
    def killed_at(self) -> float | None:
        """When the test killed it, if it did."""
        return self.sent.get(signal.SIGKILL, self._ended)

    def has_nothing_left(self, *, after: float) -> bool:
        """Whether nothing may be left of it: it ended in order, or was killed so long ago."""
        if self._process.poll() == 0:
            return True
        return self.killed_at is not None and monotonic() - self.killed_at > after

    def lost(self) -> list[tuple[int, str]]:
        """The processes whose place it has filled, as a supervisor does, and how they ended."""
        found = _REPLACED.findall(self.said())
        return [(int(pid), how) for pid, how in found if how != _IN_ORDER]

    async def ready(self, client: Client) -> "WorkerProcess":
        """Return once it shows up among the live workers."""

        async def look() -> bool:
            assert self.is_alive, self.said()
            return any(each.pid == self.pid for each in await client.workers())

        await eventually(look, within=_LONG)
        self.has_opened = True
        return self

    async def exit_code(self, *, within: timedelta = _LONG) -> int:
        """Wait for it to end, as it may then; negative when a signal ended it."""
        self.may_end = True

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
        if self._ended is not None:
            return  # its number may be another's by now
        if self.is_alive:
            self._ended, self.may_end = monotonic(), True
        for group in (self.pid, *self.children()):  # a supervised one has a group of its own
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._process.wait()
