"""Sees when the event loop stops turning, and says who is in its way.

A job that blocks (a long computation, a library that waits without asyncio) stops every other run
of its worker. A thread looks on: within a second it names the job with the stack of the loop's
thread, and it says how long that took once the loop turns again. A loop that has not turned for
`max_block` will not turn again: then the process ends itself, and its runs go to others.

Only time that the process lived through counts: one that was stopped, or slept with its machine, is
not taken for a blocked one. Code that never lets go of the interpreter (one regular expression, one
call into C) stops all threads: this one names it as soon as it lets go, by the processor time it
took. Until then the guardian, another process, says where it is, and renews the lease.
"""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from time import monotonic, process_time
from types import FrameType

from app.engine.roles.slots import Slots

log = logging.getLogger(__name__)

_LOOK = 0.2  # s between two looks
_BLOCKED = 0.8  # s; with a look before and after, it is named within a second
_HELD = 2.0  # s; less is a busy machine's doing, too, which lets a thread wait
_FRAMES = 8  # the innermost ones tell where it is
_EXIT_BLOCKED = 70  # EX_SOFTWARE of sysexits.h

_frames_of_threads: Callable[[], dict[int, FrameType]] = vars(sys)["_current_frames"]


class Watcher:
    """Watches the loop it was started on, from another thread."""

    def __init__(self, slots: Slots, *, max_block: timedelta) -> None:
        """`slots` has the runs that may be in the way."""
        self._slots = slots
        self._max_block = max_block.total_seconds()
        self._has_turned = True
        self._silent = 0.0
        self._culprit = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self, news: Callable[[], None], *, beat: Callable[[], None] | None = None) -> None:
        """Watch the loop that runs here; `news` is told when it is blocked, and no longer is.

        `beat` is called at every look: as long as threads turn, be the loop blocked or not.
        """
        self._beat = beat or _nobody
        self._loop, self._loops_thread = asyncio.get_running_loop(), threading.get_ident()
        self._news = news
        self._looked_at, self._worked = monotonic(), process_time()
        self._thread.start()

    def turn(self) -> None:
        """The event loop is alive: say so, often."""
        self._has_turned = True

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    @property
    def blocked(self) -> timedelta:
        """How long the loop has been blocked; zero while it turns."""
        return timedelta(seconds=self._silent if self._culprit else 0)

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK):
            self._beat()
            lived = self._lived()
            if self._has_turned:
                self._welcome_back(lived)
            else:
                self._judge(lived)
            self._has_turned = False

    def _lived(self) -> float:
        """The time since the last look, as far as this process can have lived through it."""
        looked_at, worked = self._looked_at, self._worked
        self._looked_at, self._worked = monotonic(), process_time()
        return min(self._looked_at - looked_at, max(_LOOK, self._worked - worked))

    def _welcome_back(self, lived: float) -> None:
        was_blocked, said = self._silent, self._culprit
        self._silent, self._culprit = 0.0, ""
        if said:
            log.warning("the event loop turns again: %s for %.1f s", said, was_blocked)
            self._news()
        elif lived >= _HELD:  # and it has turned before this thread could look
            log.warning("one call let nothing else run in this process for %.1f s", lived)

    def _judge(self, lived: float) -> None:
        self._silent += lived
        if self._silent > self._max_block:
            log.critical("a job has blocked this worker for %.0f s; it ends itself", self._silent)
            os._exit(_EXIT_BLOCKED)
        if self._silent >= _BLOCKED and not self._culprit:
            self._culprit = f"{self._at_work()} blocked it"
            stack = " < ".join(_stack_of(self._loops_thread))
            log.warning("the event loop does not turn: %s, at %s", self._culprit, stack)
            self._news()

    def _at_work(self) -> str:
        """The run whose task the loop is in; a task that a job began itself is not known here."""
        task = asyncio.current_task(self._loop)
        mine = (each for each in self._slots.running if each.task is task)
        running = next(mine, None)
        return f"{running.job.name} (run {running.run.id})" if running else "no run's own task"


def _stack_of(thread: int) -> Iterator[str]:
    """Where a thread is, innermost first: code and lines, never what it works on."""
    return islice(_frames(_frames_of_threads().get(thread)), _FRAMES)


def _frames(frame: FrameType | None) -> Iterator[str]:
    while frame:
        code = frame.f_code
        yield f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
        frame = frame.f_back


def _nobody() -> None:
    """Nobody listens."""
