"""The tasks that carry runs: as many as runs wait for something, not as many as there are runs.

A run that waits for nothing (what it needs is in memory, or there is nothing to do) needs no task
of its own: whoever carried it takes the next one. Before a run begins another task stands by. It
gets its turn when that run waits, and takes over what is left; so none keeps the others waiting,
and a run that waits is the last of its task. So is one that leaves something behind there: a
context variable, a request to cancel, or whatever still knows the task and may cancel it later (a
timer, a timeout or cancel scope that is still open). The next run finds it as clean as a new one.

Runs of a job that waits as a rule get a task of their own at once, and so begin together.

(From Python 3.12 on eager tasks are the same idea: a task is what a coroutine gets once it waits.)
"""

import asyncio
from collections import deque
from contextvars import Context, copy_context
from sys import getrefcount
from time import monotonic

from app.engine.attempt import current_attempt
from app.engine.roles.running import Body, Ended, Running

_LONGEST = 0.005  # s that one task carries on until the loop looks at what else there is
_TRIED = 100  # of so many runs of a job that waits, one is tried without a task of its own


class Carriers:
    """Carries runs from their start to their end."""

    def __init__(self, ended: Ended) -> None:
        """`ended` is told of each run: its outcome, or None when it was cut off before its job."""
        self._ended = ended
        self._waiting = deque[tuple[Running, Body]]()
        self._standby: asyncio.Task[None] | None = None
        self._turn = 0  # how many have had theirs so far
        self._waits: dict[str, int] = {}  # jobs that wait as a rule: how many runs of them came

    def add(self, running: Running, body: Body) -> None:
        """Begin it soon, beside those that are under way, unless it is over by then."""
        if running.job.name in self._waits and self._is_none_tried(running.job.name):
            running.task = asyncio.create_task(self._alone(running, body))
            return
        self._waiting.append((running, body))
        if self._standby is None:
            self._stand_by()

    def _is_none_tried(self, job: str) -> bool:
        self._waits[job] += 1
        return self._waits[job] % _TRIED != 0

    def _stand_by(self) -> None:
        self._standby = asyncio.create_task(self._carry())

    async def _carry(self) -> None:
        me, self._standby = self._standby, None
        assert me
        self._turn = turn = self._turn + 1
        until = monotonic() + _LONGEST
        while self._waiting:
            running, body = self._waiting.popleft()
            if running.is_over:
                continue
            if self._standby is None:
                self._stand_by()
            running.task = me
            current_attempt.set(running.attempt)
            clean, known = copy_context(), getrefcount(me)
            try:
                outcome = await body(running)
            except asyncio.CancelledError:
                outcome = None
            is_known = getrefcount(me) > known or me.cancelling()
            self._ended(running, outcome)
            if self._turn != turn:  # another had its own meanwhile
                self._waits.setdefault(running.job.name, 0)
                return
            if self._waits:
                self._waits.pop(running.job.name, None)
            if is_known or not _is_still(clean) or monotonic() > until:
                return

    async def _alone(self, running: Running, body: Body) -> None:
        current_attempt.set(running.attempt)
        try:
            outcome = await body(running)
        except asyncio.CancelledError:
            outcome = None
        self._ended(running, outcome)


def _is_still(context: Context) -> bool:
    try:
        return copy_context() == context
    except Exception:  # a value may be anything, and refuse to be compared
        return False
