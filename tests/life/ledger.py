"""What the tests' jobs did: a line for each effect, in a file the system under test doesn't know.

A line is written with one append, so a process killed in the middle leaves a whole line or none.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

import anyio
import msgspec

from app.engine import seconds
from tests.eventually import eventually

VARIABLE = "LIFE_LEDGER"
_LONG = seconds(30)
_LOOK = 0.02  # s between two looks at a gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One effect: what, by which attempt of which run, in which process, and when."""

    what: str
    run: str
    attempt: int
    pid: int
    at: float
    """Seconds on the machine's clock that never jumps; the same for all processes."""
    key: str = ""
    """What the effect is known by, if it must happen once."""


_LINE = msgspec.json.Decoder(Line)


class Ledger:
    """The file; any process may append, the test reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def here(cls) -> "Ledger":
        """The ledger of the test that started this process."""
        return cls(Path(os.environ[VARIABLE]))

    def write(
        self, what: str, *, run: str = "", attempt: int = 0, key: str = "", pid: int = 0
    ) -> None:
        """Append a line of this process, or of another."""
        pid = pid or os.getpid()
        line = Line(what=what, run=run, attempt=attempt, pid=pid, at=monotonic(), key=key)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(line) + b"\n")
        finally:
            os.close(descriptor)

    def lines(self, what: str) -> list[Line]:
        """The lines that say `what`, in the order they were written."""
        return [line for line in self._all() if line.what == what]

    def all_lines(self) -> list[Line]:
        """Every line, in the order they were written."""
        return list(self._all())

    async def begin_of(self, run: str) -> Line:
        """What a run wrote first, as soon as it has."""

        async def look() -> list[Line]:
            return [line for line in self._all() if line.run == run]

        return (await eventually(look))[0]

    def _all(self) -> Iterable[Line]:
        """Every whole line; of one that crosses a page, a part may be there before the rest."""
        written = self.path.read_bytes() if self.path.exists() else b""
        return map(_LINE.decode, written.rpartition(b"\n")[0].splitlines())

    async def until(self, what: str, count: int, *, within: timedelta = _LONG) -> list[Line]:
        """The same, as soon as there are so many."""

        async def look() -> list[Line]:
            lines = self.lines(what)
            return lines if len(lines) >= count else []

        return await eventually(look, within=within)

    def open_gate(self, name: str = "gate") -> None:
        """Let whoever waits for this gate go on."""
        self.path.with_suffix(f".{name}").touch()

    async def through_gate(self, name: str = "gate") -> None:
        """Wait until it is open."""
        while not self.path.with_suffix(f".{name}").exists():
            await anyio.sleep(_LOOK)
