"""`python -m app ...`, as a process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rights import python_path

ROOT = Path(__file__).parents[2]
_PATIENCE = 40  # s; a command that takes longer hangs


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output, which must be one JSON document."""
        assert self.err == ""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line on stderr, of a command that could not do its work."""
        assert "Traceback" not in self.err
        (line,) = self.err.splitlines()
        return line


@dataclass(frozen=True, slots=True)
class Command:
    """The command on one home, with no settings but those given here."""

    home: Path
    settings: Mapping[str, str]

    def __call__(self, *words: str, **settings: str) -> Done:
        """Run it to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "app", *words],
            env=self.environment(**settings),
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def environment(self, **settings: str) -> dict[str, str]:
        """The variables of its processes."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("STEWARD_")}
        ours = {"STEWARD_HOME": str(self.home), "PYTHONPATH": python_path(), "TZ": "UTC"}
        return {**kept, **ours, **self.settings, **settings}

    def begin(self, *words: str, **settings: str) -> "Running":
        """Start it, and return while it runs."""
        return Running(
            subprocess.Popen(
                [sys.executable, "-m", "app", *words],
                env=self.environment(**settings),
                cwd=self.home.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )


class Running:
    """A command that goes on until it is told to stop; its output is read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []

    def says(self, text: str) -> str:
        """Read until a line with this text; fails when the process ends without it."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if text in line:
                return self.said[-1]
        raise AssertionError(f"it never said {text!r}, but: {self.said}")

    def says_once(self, text: str) -> str:
        """The line with this text, if it has been said, or else the next one."""
        said = (line for line in self.said if text in line)
        return next(said, None) or self.says(text)

    def stops(self, number: signal.Signals = signal.SIGINT) -> int:
        """Tell it to stop, and return its exit code."""
        self.process.send_signal(number)
        return self.ends()

    def ends(self) -> int:
        """Wait for its end."""
        out, _ = self.process.communicate(timeout=_PATIENCE)
        self.said += out.splitlines()
        return self.process.returncode

    def kill(self) -> None:
        """Leave nothing of it behind."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=_PATIENCE)
