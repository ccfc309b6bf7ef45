"""Looks after the dead letters: says when there are too many, and forgets old ones if told to.

Nothing is forgotten unless a time to keep them is set: a dead letter is the last that is left of
somebody's work. But each takes memory of Redis, so from 10,000 on the log says it, and so does the
health check. Where effects are kept in Redis, it also finds those that a run was in the middle of
when its last worker died: for a person to say whether they happened.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import anyio

from app.engine.clock import jittered
from app.engine.errors import Unavailable
from app.engine.redis.store import Store

log = logging.getLogger(__name__)

MANY = 10_000
"""So many dead letters are more than anybody looks through."""
_LOOK = 60.0  # s between two looks, in each worker


class Undertaker:
    """One a worker; they need not know of each other."""

    def __init__(
        self,
        store: Store,
        *,
        keep: timedelta,
        find_doubts: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        """`keep`: how long dead letters are kept; zero is for ever.

        `find_doubts`: what else to look for, where no database sees to it.
        """
        self._store = store
        self._find_doubts = find_doubts
        self._keep = keep
        self._has_said = False

    async def run(self) -> None:
        """Look every minute, until cancelled; an absent Redis is waited for."""
        while True:
            try:
                await self.look()
            except Unavailable as error:
                log.debug("the dead letters wait for Redis: %s", error)
            await anyio.sleep(jittered(_LOOK))

    async def look(self) -> None:
        """Forget what is too old, and say once when too many are left. Raises `Unavailable`."""
        if self._keep:
            await self._forget()
        if self._find_doubts and (found := await self._find_doubts()):
            log.warning("%d effects of runs that are over may have happened, or not", found)
        count = await self._store.dead_count()
        if count >= MANY and not self._has_said:
            log.warning("there are %d dead letters: `steward dead groups` tells of what", count)
        self._has_said = count >= MANY

    async def _forget(self) -> None:
        forgotten = 0
        while some := await self._store.outdate(self._keep):
            forgotten += some
        if forgotten:
            log.info("%d dead letters were older than %s and are forgotten", forgotten, self._keep)
