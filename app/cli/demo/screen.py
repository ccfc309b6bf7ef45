"""What the demo shows: lines as it goes, with a progress bar below them on a terminal."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from app.observability.printable import printable

_TICK, _CROSS = "ok", "FAILED"


class Screen:
    """Prints; silent when the answer is to be JSON."""

    def __init__(self, *, steps: int, is_silent: bool = False) -> None:
        self._steps = steps
        self._done = 0
        self._is_silent = is_silent
        self._bar: Any = None

    @contextmanager
    def showing(self) -> Generator[None]:
        """With a progress bar while the block lasts, where there is a terminal."""
        if self._is_silent or not sys.stdout.isatty():
            yield
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("the tour"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, transient=True) as bar:
            self._bar = bar
            self._task = bar.add_task("", total=self._steps)
            yield
        self._bar = None

    def begin(self, title: str) -> None:
        """Announce the next stop."""
        self._done += 1
        self.say(f"\n{self._done}/{self._steps}  {title}")

    def end(self, effect: str, *, is_kept: bool) -> None:
        """Say how the stop ended."""
        self.note(f"{_TICK if is_kept else _CROSS}: {effect}")
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)

    def heard(self, attempt: dict[str, Any]) -> None:
        """Show an attempt that has ended."""
        again = f", attempt {attempt['attempt']}" if attempt["attempt"] > 1 else ""
        why = f": {printable(attempt['error'])}" if attempt["error"] else ""
        took = f"{attempt['took'] * 1000:.0f} ms"
        self.note(f"{attempt['ending']:<9} {attempt['job']}{again} in {took}{why}")

    def note(self, text: str) -> None:
        """A line that belongs to the stop."""
        self.say(f"     {text}")

    def say(self, text: str) -> None:
        """A line."""
        if self._is_silent:
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)
