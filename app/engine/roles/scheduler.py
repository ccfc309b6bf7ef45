"""Starting jobs by the clock: every worker has one of these, and each tick is fired once.

A schedule's cursor in Redis is its last tick. Whoever finds a later tick that is due moves the
cursor and enqueues the run in one step; the others find it moved. A schedule that is new, or whose
expression changed, begins now. After an absence, the latest missed tick fires, once.

While workers of two releases are there whose timetables differ, each goes by its own: the cursor
has a line for each expression, the one that moved last in front, and nobody moves another's. An
expression that comes back after another one has taken its place begins now, too.
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
from app.engine.schedule import Schedule, refuse_duplicates, tick_id

log = logging.getLogger(__name__)

_A_MOMENT = re.compile(r"\d{1,14}")  # up to the year 5138
_MOST_LINES = 4  # releases at a time whose timetables differ
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
        now, cursor, is_there = await self._store.server_time(), "", False
        while not is_there:
            is_moved = await self._move(each, known=cursor, then=_moved(each, cursor, now))
            cursor = self._cursors[each.name]
            is_there = is_moved or _is_current(each, cursor, now)

    async def _fire(self, each: Schedule) -> None:
        known = self._cursors[each.name]
        fired = _moment(each, known)
        tick = each.cron.last_between(fired, self._store.clock.now()) if fired else None
        if tick is None:
            await self._begin(each)
        else:
            await self._move(each, known=known, then=_moved(each, known, tick), tick=tick)

    async def _move(
        self, each: Schedule, *, known: str, then: str, tick: datetime | None = None
    ) -> bool:
        """Whether it was we who moved the cursor, and fired the tick."""
        run = None if tick is None else self._client.prepare(_call_at(each, tick))
        is_moved, cursor = await self._store.tick(each.name, known=known, then=then, run=run)
        self._cursors[each.name] = cursor
        self._next[each.name] = each.cron.next_after(
            _moment(each, cursor) or self._store.clock.now()
        )
        return is_moved


def _call_at(each: Schedule, tick: datetime) -> Call[Any]:
    return each.call.at(tick, id=tick_id(each.name, tick))


def _expression(each: Schedule) -> str:
    return f"{each.cron.expression}|{each.cron.tz}"


def _lines(cursor: str) -> dict[str, datetime]:
    """The last tick of each expression, the latest to move first; nonsense is left out."""
    lines = dict[str, datetime]()
    for line in cursor.split("\n"):
        ms, _, expression = line.partition("|")
        if _A_MOMENT.fullmatch(ms):
            lines.setdefault(expression, from_ms(int(ms)))
    return lines


def _moment(each: Schedule, cursor: str) -> datetime | None:
    """The tick a cursor stands at; None when only other expressions have one there."""
    return _lines(cursor).get(_expression(each))


def _moved(each: Schedule, cursor: str, tick: datetime) -> str:
    """The cursor after this tick, its line in front."""
    lines = {_expression(each): tick} | _lines(cursor) | {_expression(each): tick}
    kept = [*lines.items()][:_MOST_LINES]
    return "\n".join(f"{to_ms(at)}|{expression}" for expression, at in kept)


def _is_current(each: Schedule, cursor: str, now: datetime) -> bool:
    """Whether this expression has a tick there, and no other one has gone on without it since."""
    lines = _lines(cursor)
    mine = lines.pop(_expression(each), None)
    if mine is None:
        return False
    missed = each.cron.next_after(mine)
    return not any(missed < at <= now for at in lines.values())
