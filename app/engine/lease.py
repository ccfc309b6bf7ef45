"""A worker's sign of life, renewed by a thread.

A lease on a run counts only while the worker's own key is there. A thread renews that key every
quarter of its life, so a job that blocks the event loop does not cost the worker its runs. But a
loop that has not turned for `max_block` will not turn again: then the process ends itself, and its
runs go to others. A key that lapsed (the machine slept, or Redis was away) is simply set again:
commits are fenced by each run's own lease, so nothing that was taken over in between can be
overwritten.
"""

import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta

import redis as blocking
from redis.exceptions import RedisError

from app.engine import keys

log = logging.getLogger(__name__)

_RENEWALS = 4  # in one lease: three may be lost before it lapses
_EXIT_BLOCKED = 70  # EX_SOFTWARE of sysexits.h


class Lease:
    """Keeps `steward:worker:<worker>` alive between `start` and `stop`."""

    def __init__(
        self,
        connect: Callable[[], blocking.Redis],
        *,
        worker: str,
        length: timedelta,
        max_block: timedelta,
        describe: Callable[[], bytes],
    ) -> None:
        """`connect` makes the thread's own client; `describe` says what the key's value tells."""
        self._connect = connect
        self._key = keys.worker(worker)
        self._length = length
        self._max_block = max_block.total_seconds()
        self._describe = describe
        self._has_turned = True
        self._silent = 0.0  # s; counted in renewals, so that a process that was stopped starts at 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, name="lease", daemon=True)

    def start(self) -> None:
        """Begin renewing; the caller has set the key once itself."""
        self._thread.start()

    def turn(self) -> None:
        """The event loop is alive: say so, often."""
        self._has_turned = True

    def stop(self) -> None:
        """End the thread and remove the key, so that what is left is taken over at once."""
        self._stopping.set()
        self._thread.join(timeout=6)  # one renewal may wait 5 s for Redis

    def _renew_until_stopped(self) -> None:
        redis, pause = self._connect(), self._length.total_seconds() / _RENEWALS
        while not self._stopping.wait(pause):
            self._end_if_blocked(pause)
            self._try(lambda: redis.set(self._key, self._describe(), px=self._length))
        self._try(lambda: redis.delete(self._key))
        redis.close()

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (RedisError, OSError) as error:
            log.warning("the lease could not be renewed: %s", type(error).__name__)

    def _end_if_blocked(self, pause: float) -> None:
        self._silent = 0.0 if self._has_turned else self._silent + pause
        self._has_turned = False
        if self._silent > self._max_block:
            log.critical("a job has blocked this worker for %.0f s; it ends itself", self._silent)
            os._exit(_EXIT_BLOCKED)
