"""The sign of life that `arq --check` reads of an arq project's worker, in arq's own words."""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import anyio

from app.engine.errors import Unavailable
from app.engine.outcome import Ending, ending_of
from app.engine.redis import keys
from app.engine.redis.steps import answering
from app.engine.redis.store import Store
from app.engine.roles.over import Over

log = logging.getLogger(__name__)

_ENDINGS = {
    Ending.SUCCEEDED: "complete",
    Ending.DEAD: "failed",
    Ending.CANCELLED: "failed",
    Ending.RETRYING: "retried",
    Ending.RELEASED: "retried",
}
_AGAIN = 1.0  # s until the next try, while Redis is away


class HealthCheck:
    """Counts how runs ended, and writes it down every `interval`."""

    def __init__(
        self,
        store: Store,
        *,
        key: str,
        interval: timedelta,
        queue: str,
        ongoing: Callable[[], int],
    ) -> None:
        """`ongoing` tells how many runs are at work."""
        self._store = store
        self._key = key
        self._interval = interval
        self._queue = queue
        self._ongoing = ongoing
        self._ended = Counter[str]()

    def committed(self, over: Over) -> None:
        """Count a run that ended."""
        self._ended[_ENDINGS.get(Ending(ending_of(over.outcome)), "")] += 1

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            try:
                await self.write()
                await anyio.sleep(self._interval.total_seconds())
            except Unavailable as error:
                log.debug("the health check waits for Redis: %s", error)
                await anyio.sleep(_AGAIN)

    async def write(self) -> None:
        """Say how it goes, for a second longer than until the next time; raises `Unavailable`."""
        async with answering():
            queued = await self._store.redis.zcard(keys.queue(self._queue))
            said = self._said(queued)
            lasting = self._interval + timedelta(seconds=1)
            await self._store.redis.set(self._key, said.encode(), px=lasting)

    async def remove(self) -> None:
        """This worker is gone; raises `Unavailable`."""
        async with answering():
            await self._store.redis.delete(self._key)

    def _said(self, queued: int) -> str:
        ended, now = self._ended, datetime.now().astimezone()
        return (
            f"{now:%b-%d %H:%M:%S} j_complete={ended['complete']} j_failed={ended['failed']}"
            f" j_retried={ended['retried']} j_ongoing={self._ongoing()} queued={queued}"
        )
