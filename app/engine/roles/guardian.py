"""Shows a worker alive while nothing can run in its process: a program of its own, beside it.

One regular expression, or one call into C that keeps the interpreter, stops every thread of its
process, and the one that renews the lease with them. The others would take that worker for dead,
and begin its runs a second time. So its threads send a beat to this program as long as they turn.
When the beats fail, while the process is there and has not been stopped, the program names what the
process is at, and renews its sign of life; and it ends a process that has been held for too long.
When the beats come again it ends itself, and the worker starts another.

It waits nearly always, so it is kept small: it imports what it needs when it needs it.
"""

from __future__ import annotations

import os
import select
import sys
from time import monotonic

TYPE_CHECKING = False  # as type checkers know it: `typing` alone is large
if TYPE_CHECKING:
    from typing import Any

    from redis import Redis

LOOK = 0.25
"""Seconds between two looks; longer than from one beat to the next."""

_SUSPICIOUS = 2  # looks without a beat, after which it looks closer
_HELD = 3  # looks without a beat: nothing runs there, if the process works all the while
_RENEWALS = 4  # in one lease
_BUSY = 0.5  # of the time: a process that takes so much of it computes
_MOST = 4096  # bytes; the beats of a day
_KILL = 9  # `signal` is not imported: it is a quarter of all that this program would hold


class Guardian:
    """Beside one worker, which is the parent of this process."""

    def __init__(self, worker: int, orders: dict[str, Any]) -> None:
        """Its process, and what `guard` has written. Raises `psutil.NoSuchProcess`."""
        import psutil

        self._ward = psutil.Process(worker)
        self._orders = orders
        self._length: float = orders["length"]
        self._redis: Redis | None = None
        self._is_named = self._is_absent = False
        self._renewed_at = 0.0
        self._worked, self._looked_at = self._spent(), monotonic()

    def look(self, silent: float) -> None:
        """Nothing was heard for so many seconds of the worker's own time: do what is needed."""
        if silent > self._orders["max_block"]:
            self._end(silent)
        is_busy = self._is_busy()
        if is_busy or silent >= self._length / _RENEWALS:
            self._renew(silent)
        if is_busy and not self._is_named:
            self._name(silent)

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has stopped the process, or it has ended: nobody speaks for it then."""
        import psutil

        gone = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE)
        return self._ward.status() in gone

    def _spent(self) -> float:
        spent = self._ward.cpu_times()
        return float(spent.user + spent.system)

    def _is_busy(self) -> bool:
        """Whether the process has worked since the last look."""
        worked, looked_at = self._worked, self._looked_at
        self._worked, self._looked_at = self._spent(), monotonic()
        return self._worked - worked >= _BUSY * (self._looked_at - looked_at)

    def _name(self, silent: float) -> None:
        """Have the process write down where its threads are, which it can do even so."""
        self._is_named = True
        if number := self._orders["signal"]:
            self._say(f"nothing has run in it for {silent:.1f} s but a call that lets nobody else")
            os.kill(self._ward.pid, number)

    def _end(self, silent: float) -> None:
        """End the process; its runs go to others at once."""
        from redis import RedisError

        os.kill(self._ward.pid, _KILL)
        self._say(f"a call has held it for {silent:.0f} s; it is ended")
        try:
            self._connected().delete(self._orders["key"])
        except (RedisError, OSError):
            self._say("its lease will expire by itself")
        raise SystemExit

    def _say(self, what: str) -> None:
        from contextlib import suppress

        with suppress(OSError):  # nobody may read it any more, or in time
            if select.select([], [2], [], 0)[1]:
                os.write(2, f"worker process {self._ward.pid}: {what}\n".encode())

    def _renew(self, silent: float) -> None:
        from redis import RedisError

        if monotonic() - self._renewed_at < self._length / _RENEWALS:
            return
        try:
            self._show(silent)
        except (RedisError, OSError) as error:
            if not self._is_absent:  # once is enough
                self._say(f"its lease could not be renewed: {type(error).__name__}")
            self._is_absent = True
        else:
            self._renewed_at, self._is_absent = monotonic(), False

    def _show(self, silent: float) -> None:
        """Let the worker say what it said last, and that it is blocked, if it is still there."""
        import json

        from app.engine.redis.steps import source

        redis, key = self._connected(), self._orders["key"]
        said: Any = redis.get(key)
        if said is None or os.getppid() != self._ward.pid:
            return
        told = json.loads(said) | {"blocked_ms": int(silent * 1000)}
        say: Any = redis.register_script(source("say"))
        say(keys=[key], args=[json.dumps(told), int(self._length * 1000)])

    def _connected(self) -> Redis:
        if self._redis is None:
            from app.engine.redis.connection import make_blocking_redis
            from app.engine.redis.sentinel import SentinelSettings

            given = self._orders["redis"]
            if given["sentinel"]:
                given["host"] = [tuple(each) for each in given["host"]]
            self._redis = make_blocking_redis(SentinelSettings(**given), self._length / _RENEWALS)
        return self._redis


def main() -> None:
    """Listen to the beats on standard input until they end, or come again after they failed."""
    try:
        _watch(os.getppid(), _first_line())
    except Exception as error:
        if type(error).__name__ != "NoSuchProcess":  # of psutil: it has ended in between
            raise


def _watch(worker: int, orders: bytes) -> None:
    missed = 0
    guardian: Guardian | None = None
    while os.getppid() == worker:
        if select.select([0], [], [], LOOK)[0]:
            if not os.read(0, _MOST) or guardian is not None:
                return
            missed = 0
        else:
            missed += 1
        if missed >= _SUSPICIOUS and guardian is None:
            guardian = _prepared(worker, orders)
        elif guardian is not None and guardian.is_stopped:
            missed = min(missed, _SUSPICIOUS)  # as if it had not lived meanwhile
        elif guardian is not None and missed >= _HELD:
            guardian.look(missed * LOOK)


def _prepared(worker: int, orders: bytes) -> Guardian:
    import json

    given: dict[str, Any] = json.loads(orders)
    sys.path[:] = given["path"]
    return Guardian(worker, given)


def _first_line() -> bytes:
    """The orders: all that is written before the first beat."""
    line = bytearray()
    while not line.endswith(b"\n"):
        if not (more := os.read(0, 1)):
            raise SystemExit
        line += more
    return bytes(line)
