"""Starting jobs by the clock: every worker has one of these, and each tick is fired once.

A schedule's cursor in Redis is its last tick. Whoever finds a later tick that is due moves the
cursor and enqueues the run in one step; the others find it moved. A schedule that is new, or whose
expression changed, begins now. After an absence, the latest missed tick fires, once.
"""

import logging
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import anyio

from app.engine.clock import from_ms, to_ms
from app.engine.doors.client import Client
from app.engine.errors import Unavailable
from app.engine.job import Call
from app.engine.schedule import Schedule, refuse_duplicates

log = logging.getLogger(__name__)

_A_MOMENT = re.compile(r"\d{1,14}")  # up to the year 5138
_LOOK = 0.2  # s between two looks at the clock; a look costs no round trip until a tick is due


class Scheduler:
    """Fires the ticks of a timetable."""

    def __init__(self, timetable: Iterable[Schedule], client: Client) -> None:
        """Refuse now what could not be enqueued when its time comes.

        Raises `Duplicate` when two schedules share a name, `CallRefused` for a call that can't run.
        """
        self._timetable = tuple(timetable)
        refuse_duplicates(self._timetable)
        self._client = client
        for each in self._timetable:
            client.prepare(_call_at(each, from_ms(0)))
        self._store = client.store
        self._cursors: dict[str, str] = {}
        self._next: dict[str, datetime] = {}

    async def run(self) -> None:
        """Fire what is due until cancelled; an absent Redis is waited for."""
        level = logging.WARNING
        while True:
            try:
                await self.fire_due()
                level = logging.WARNING
            except Unavailable as error:
                log.log(level, "schedules wait for Redis: %s", error)
                level = logging.DEBUG  # once is enough
            await anyio.sleep(_LOOK)

    async def fire_due(self) -> None:
        """Look once at every schedule."""
        for each in self._timetable:
            if each.name not in self._next:
                await self._begin(each)
            if self._next[each.name] <= self._store.clock.now():
                await self._fire(each)

    async def _begin(self, each: Schedule) -> None:
        """Learn where the cursor stands; set it to now when there is none for this expression."""
        now = await self._store.server_time()
        await self._move(each, known="", then=_cursor(each, now), tick=None)
        if _moment(each, self._cursors[each.name]) is None:
            stale = self._cursors[each.name]
            await self._move(each, known=stale, then=_cursor(each, now), tick=None)

    async def _fire(self, each: Schedule) -> None:
        known = self._cursors[each.name]
        fired = _moment(each, known)
        now = self._store.clock.now()
        tick = each.cron.last_between(fired, now) if fired else None
        if tick is None:
            await self._begin(each)
        else:
            await self._move(each, known=known, then=_cursor(each, tick), tick=tick)

    async def _move(self, each: Schedule, *, known: str, then: str, tick: datetime | None) -> None:
        run = None
        if tick is not None:
            run = self._client.prepare(_call_at(each, tick))
        _, cursor = await self._store.tick(each.name, known=known, then=then, run=run)
        self._cursors[each.name] = cursor
        self._next[each.name] = each.cron.next_after(
            _moment(each, cursor) or self._store.clock.now()
        )


def _call_at(each: Schedule, tick: datetime) -> Call[Any]:
    return each.call.at(tick, id=f"{each.name}@{tick:%Y%m%dT%H%M%SZ}")


def _cursor(each: Schedule, tick: datetime) -> str:
    return f"{to_ms(tick)}|{each.cron.expression}|{each.cron.tz}"


def _moment(each: Schedule, cursor: str) -> datetime | None:
    """The tick a cursor stands at; None when it was left by another expression."""
    ms, _, rest = cursor.partition("|")
    is_ours = rest == f"{each.cron.expression}|{each.cron.tz}" and _A_MOMENT.fullmatch(ms)
    return from_ms(int(ms)) if is_ours else None
