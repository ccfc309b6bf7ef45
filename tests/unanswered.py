"""The answers on one connection, counted: one of them is to be lost, and none before it."""

from collections.abc import Callable, Sequence
from enum import Enum, auto

import hiredis


class Fate(Enum):
    """What becomes of a request."""

    ANSWERED = auto()
    UNHEARD = auto()
    """It is carried out, and its answer lost."""
    LOST = auto()
    """It never arrives."""


Judge = Callable[[Sequence[bytes]], Fate]
"""Decides on a command, by its words."""


def spare(_command: Sequence[bytes]) -> Fate:
    """Let each be answered."""
    return Fate.ANSWERED


class Unanswered:
    """Reads along what is asked and what is answered, each in the order of the other."""

    def __init__(self) -> None:
        self._asking, self._answering = hiredis.Reader(), hiredis.Reader()
        self._asked = self._answered = 0
        self._lost: int | None = None

    def ask(self, data: bytes, judge: Judge) -> bool:
        """Whether these bytes may go on, and with them the requests that they complete."""
        self._asking.feed(data)
        while (command := self._asking.gets()) is not False:
            fate = judge(command) if self._lost is None else Fate.ANSWERED
            if fate is Fate.LOST:
                return False
            if fate is Fate.UNHEARD:
                self._lost = self._asked
            self._asked += 1
        return True

    def answer(self, data: bytes) -> bool:
        """Whether it may arrive."""
        self._answering.feed(data)
        while (answer := self._answering.gets()) is not False:
            self._answered += not isinstance(answer, hiredis.PushNotification) or _is_one(answer)
        return self._lost is None or self._answered <= self._lost


def _is_one(push: Sequence[object]) -> bool:
    """Whether somebody asked for it."""
    return push[0] in (b"subscribe", b"unsubscribe")
