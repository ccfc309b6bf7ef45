"""A worker's sign of life, renewed by a thread.

A lease on a run counts only while the worker's own key is there. A thread renews that key every
quarter of its life, so a job that blocks the event loop does not cost the worker its runs; while
one keeps even the thread from running, the guard's process does it (see guardian). A key
that lapsed (the machine slept, or Redis was away) is simply set again: commits are fenced by each
run's own lease, so nothing that was taken over in between can be overwritten. What is claimed then
needs the key too: whoever claims sees to it first (`is_shown`).

A worker that is cut off from Redis cannot know whether its runs were taken over. Once it could not
renew its key for as long as the key lives, it must think so: `has_lapsed` tells, and its attempts
are given back. Turns of the loop are what counts: a process that stood still first tries again. A
server that refuses to be connected to, or still loads, is down for the others too: then nobody can
take anything over, and the attempts go on.
"""

import logging
import threading
from collections.abc import Callable, Collection
from datetime import timedelta
from time import monotonic

import redis as blocking
from redis.exceptions import BusyLoadingError, RedisError

from app.engine.clock import minutes, span_ms
from app.engine.options import WorkerOptions
from app.engine.redis import keys
from app.engine.redis.steps import source
from app.engine.roles.guard import Guard
from app.engine.roles.watcher import Watcher

log = logging.getLogger(__name__)

_MARGIN = timedelta(seconds=10)  # a claim outlives its run's timeout by this, as arq's does
_RENEWALS = 4  # in one lease: three may be lost before it lapses
_QUICK = 1.0  # s; a server may always take so long to answer
_SOONER = 4  # times: how much sooner a lost renewal is tried again
_STILL = 1.0  # s between two turns; more is a process that stood still, or a job that blocked it


class Lease:
    """Keeps `steward:worker:<worker>` alive between `start` and `stop`."""

    def __init__(
        self,
        connect: Callable[[float], blocking.Redis],
        *,
        worker: str,
        length: timedelta,
        watcher: Watcher,
        describe: Callable[[], bytes],
        guard: Guard | None = None,
    ) -> None:
        """`connect` makes the thread's own client, which waits so many seconds for an answer.

        `describe` says what the key's value tells. `guard` renews it where the thread can't.
        """
        self._connect = connect
        self._key = keys.worker(worker)
        self._length = length
        self._pause = length.total_seconds() / _RENEWALS
        self._watcher = watcher
        self._describe = describe
        self._guard = guard
        self._renewals, self._seen = 0, 0  # as the thread counts them, and as the loop has seen
        self._shown_at = 0.0
        self._alone = 0.0  # s since the loop saw one, or saw that there was nothing to lose
        self._turned_at = 0.0
        self._is_absent = False
        self._is_stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, name="lease", daemon=True)

    def start(self) -> None:
        """Begin renewing; the caller has set the key once itself."""
        self._shown_at = self._turned_at = monotonic()
        self._thread.start()
        if self._guard:
            self._guard.start()
        beat = self._guard.beat if self._guard else None
        self._watcher.start(news=self._wake.set, beat=beat)  # the key tells it, at once

    def turn(self) -> None:
        """The event loop is alive: say so, often."""
        self._watcher.turn()
        turned_at, self._turned_at = self._turned_at, monotonic()
        if self._seen != self._renewals:
            self._seen, self._alone = self._renewals, 0.0
        else:
            self._alone += min(self._turned_at - turned_at, _STILL)

    @property
    def has_lapsed(self) -> bool:
        """Whether the key was not renewed for so long that others may have the runs by now."""
        return self._alone >= self._length.total_seconds()

    @property
    def is_shown(self) -> bool:
        """Whether the key must be there: it was set less than its life ago."""
        return monotonic() - self._shown_at < self._length.total_seconds()

    def stop(self) -> None:
        """End the thread and remove the key, so that what is left is taken over at once."""
        self._watcher.stop()
        if self._guard:
            self._guard.stop()
        self._is_stopping = True
        self._wake.set()
        self._thread.join(timeout=6)  # longer than a renewal may wait for Redis

    def _renew_until_stopped(self) -> None:
        redis, pause = self._connect(max(self._pause, _QUICK)), self._pause
        say: Callable[..., object] = redis.register_script(source("say"))
        while self._goes_on(after=pause):
            pause = self._pause if self._renew(say) else self._pause / _SOONER
        self._try(lambda: redis.delete(self._key))
        redis.close()

    def _goes_on(self, *, after: float) -> bool:
        """Wait so many seconds, or for news; whether it is not to stop."""
        self._wake.wait(after)
        self._wake.clear()
        return not self._is_stopping

    def _renew(self, say: Callable[..., object]) -> bool:
        now, length = monotonic(), span_ms(self._length)
        error = self._try(lambda: say(keys=[self._key], args=[self._describe(), length]))
        if error is None:
            self._shown_at = now
        self._renewals += error is None or _is_down(error)
        return error is None

    def _try(self, act: Callable[[], object]) -> Exception | None:
        try:
            act()
        except (RedisError, OSError) as error:
            level = logging.DEBUG if self._is_absent else logging.WARNING  # once is enough
            log.log(level, "the lease could not be renewed: %s", type(error).__name__)
            self._is_absent = True
            return error
        self._is_absent = False
        return None


def run_lease(options: WorkerOptions, timeouts: Collection[timedelta]) -> timedelta:
    """How long a claim on a run lasts, if nobody ends it: `timeouts` are those of all jobs.

    As long as the slowest job may take and clean up, with the loop blocked. On whichever queue it
    is found: a job may have moved since it was enqueued.
    """
    late = options.abandon_after + options.max_block + _MARGIN
    return max(timeouts, default=minutes(5)) + late


def _is_down(error: Exception) -> bool:
    """Whether the server is down, rather than out of reach."""
    missing = (ConnectionRefusedError, FileNotFoundError)  # no port or no socket to connect to
    return isinstance(error, BusyLoadingError) or isinstance(error.__context__, missing)
