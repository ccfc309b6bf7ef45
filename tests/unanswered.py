"""The answers on one connection, counted: one of them is to be lost, and none before it."""

import hiredis


class Unanswered:
    """Reads along what is asked and what is answered, each in the order of the other."""

    def __init__(self) -> None:
        self._asking, self._answering = hiredis.Reader(), hiredis.Reader()
        self._asked = self._answered = 0
        self._lost: int | None = None

    def ask(self, data: bytes, to: bytes) -> bool:
        """Whether one of these requests holds the bytes `to`, and its answer will be lost."""
        self._asking.feed(data)
        while (command := self._asking.gets()) is not False:
            if to and self._lost is None and any(to in each for each in command):
                self._lost = self._asked
            self._asked += 1
        return self._lost is not None

    def answer(self, data: bytes) -> bool:
        """Whether it may arrive."""
        self._answering.feed(data)
        while (answer := self._answering.gets()) is not False:
            self._answered += not isinstance(answer, hiredis.PushNotification)
        return self._lost is None or self._answered <= self._lost
