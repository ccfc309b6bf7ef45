"""Ends a worker that has done its part, so that a fresh process goes on.

Libraries leak, and memory comes back with the process alone. A worker that has done `max_runs`
runs, or holds more than `max_memory`, stops as if it were told to: it claims nothing more, short
runs finish, the others are given back without a charge. Whoever started it sees by `is_spent` that
another is to take its place. The same ends one that can't go on with a run (see deaf).

No worker is spent before its first run: a limit that is too low slows the work, and never ends it.
"""

import logging
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import anyio

from app.engine.options import WorkerOptions
from app.engine.outcome import Released
from app.engine.roles.over import Over

log = logging.getLogger(__name__)

_LOOK = 1.0  # s between two looks at the memory
_KIB, _MIB = 2**10, 2**20


class Recycler:
    """Knows how much one worker may do, and counts."""

    def __init__(self, options: WorkerOptions, *, stop: Callable[[], None]) -> None:
        """`stop` begins to stop the worker; it is called once."""
        self._max_runs = options.max_runs
        self._max_memory = options.max_memory
        self._stop = stop
        self._runs = 0
        self.is_spent = False

    def counting(self, heard: Callable[[Over], None] | None) -> Callable[[Over], None] | None:
        """The same, and the runs are counted, if there is a limit to them."""
        if not self._max_runs and not self._max_memory:
            return heard

        def counted(over: Over) -> None:
            if heard is not None:
                heard(over)
            if not isinstance(over.outcome, Released):
                self._count()

        return counted

    def _count(self) -> None:
        self._runs += 1
        if self._runs == self._max_runs:
            self.retire(f"it has done {self._runs} runs")

    async def run(self) -> None:
        """Look at the memory until cancelled."""
        while self._max_memory:
            await anyio.sleep(_LOOK)
            memory = resident_mib()
            if memory > self._max_memory and self._runs:
                self.retire(f"it holds {memory} MiB of memory, more than {self._max_memory}")

    def retire(self, why: str) -> None:
        """End the worker; nothing happens if it ends already."""
        if not self.is_spent:
            self.is_spent = True
            log.info("this worker stops, for a fresh one to go on: %s", why)
            self._stop()


def resident_mib() -> int:
    """How much memory this process holds; where the system doesn't tell, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most // _MIB if sys.platform == "darwin" else most // _KIB
    return pages * resource.getpagesize() // _MIB
