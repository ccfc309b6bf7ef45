"""Lines: a worker never waits for whoever reads them."""

import io
import sys
import threading

import pytest

from app.cli.run_lines import Lines


class Paused(io.StringIO):
    """A terminal that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        """Wait, then take it."""
        assert self.go.wait(20)
        return super().write(text)


class Gone(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        """Refuse it."""
        raise BrokenPipeError(text)


def test_a_paused_terminal_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Paused()
    monkeypatch.setattr(sys, "stdout", terminal)
    lines = Lines()

    with lines.printing():
        for number in range(5_000):
            lines.add({}, str(number))
        terminal.go.set()

    printed = [int(each) for each in terminal.getvalue().split()]
    assert printed == sorted(printed)
    assert printed[0] == 0
    assert 1 <= len(printed) < 5_000


def test_a_reader_who_left_is_nobodys_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Gone())
    lines = Lines()

    with lines.printing():
        lines.add({}, "one")
        lines.add({}, "two")
