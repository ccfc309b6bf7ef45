"""A line for each run as it ends, printed by a thread.

A terminal that is paused, or a pager that does not read, blocks whoever prints. A worker must not
wait for it: lines that can't be printed in time are dropped, and counted.
"""

import json
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from queue import Full, Queue
from typing import TYPE_CHECKING

from app.cli.answer import Facts, plain, shown

if TYPE_CHECKING:
    from app.engine import Over

_MOST = 1_000  # lines that wait to be printed
_LAST_WORDS = 1.0  # s for what waits when the process stops


class Lines:
    """Prints what it is told, in order, whenever the terminal lets it."""

    def __init__(self, *, as_json: bool = False, are_shared: bool = False) -> None:
        """Where other processes print too, each line is written by itself, and stays whole."""
        self.as_json = as_json
        self._are_shared = are_shared
        self._waiting: Queue[str | None] = Queue(_MOST)
        self._dropped = 0

    @contextmanager
    def printing(self) -> Generator[None]:
        """Print while the block lasts."""
        thread = threading.Thread(target=self._print, name="lines", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with suppress(Full):
                self._waiting.put(None, timeout=_LAST_WORDS)
            thread.join(_LAST_WORDS)

    def heard(self, over: "Over") -> None:
        """Print an attempt that has ended; never waits, never raises."""
        facts = attempt_facts(over)
        self.add(facts, _line(facts))

    def add(self, facts: Facts, line: str) -> None:
        """Print the line, or in JSON the facts."""
        try:
            self._waiting.put_nowait(json.dumps(facts, default=plain) if self.as_json else line)
        except Full:
            self._dropped += 1

    def _print(self) -> None:
        with suppress(OSError, ValueError):  # nobody reads any more, or stdout is closed
            while (line := self._waiting.get()) is not None:
                print(line, flush=self._are_shared or self._waiting.empty())
                self._admit()

    def _admit(self) -> None:
        if self._dropped and self._waiting.empty():
            dropped, self._dropped = self._dropped, 0
            print(f"({dropped} lines were dropped: this output was not read)", file=sys.stderr)


def attempt_facts(over: "Over") -> Facts:
    """What there is to say of an attempt that has ended."""
    from app.engine import ending_of, queue_title

    error: BaseException | None = getattr(over.outcome, "error", None)
    return {
        "event": "run",
        "id": over.run.id,
        "job": over.known.f,
        "queue": queue_title(over.run.queue),
        "ending": ending_of(over.outcome).value,
        "attempt": over.run.attempt,
        "started_at": over.started_at,
        "ended_at": over.ended_at,
        "took": over.ended_at - over.started_at,
        "worker": over.run.lease.rpartition(":")[0],
        "error": f"{type(error).__name__}: {error}" if error else "",
    }


def _line(facts: Facts) -> str:
    end = facts["ended_at"]
    time = shown(end).partition(" ")[2]
    again = f" (attempt {facts['attempt']})" if facts["attempt"] != 1 else ""
    why = f": {shown(facts['error'])}" if facts["error"] else ""
    name, ending, took = shown(facts["job"]), str(facts["ending"]), shown(facts["took"])
    return f"{time}  {ending:<9}  {name}{again} in {took}{why}  [{shown(facts['id'])}]"
