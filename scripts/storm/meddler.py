"""Somebody who does to runs what people and clocks do: cancel, run again, begin by a timetable."""

from collections.abc import Iterable
from contextlib import suppress
from random import Random
from typing import Any

import anyio

from app.engine import (
    Call,
    Client,
    DeadLetters,
    Handle,
    ManualClock,
    Schedule,
    Unavailable,
    minutes,
)
from app.engine.redis import keys
from app.engine.redis.steps import answering
from app.engine.redis.store import Store
from app.engine.roles.scheduler import Scheduler
from storm.jobs import QUEUES, TIMETABLE, regret, repent

_LATEST = 0.5  # s after its receipt that a run is cancelled
_PAUSE = 0.5  # s between two rounds


class Meddler:
    """By one client."""

    def __init__(self, client: Client, chance: Random) -> None:
        self._client = client
        self._chance = chance

    async def run(self) -> None:
        """Have letters run again and schedules fire, now and then, until cancelled."""
        while True:
            with suppress(Unavailable):
                await self.redrive()
                await self.set_back()
            await anyio.sleep(_PAUSE)

    async def redrive(self) -> int:
        """Have all dead letters run again that wait for just that; how many there were."""
        letters = DeadLetters(self._client)
        groups = [each for each in await letters.groups() if each.job == repent.name]
        return sum([len(await letters.retry_group(each.id)) for each in groups])

    async def set_back(self) -> Schedule:
        """Leave a schedule as if nobody had been there for some minutes."""
        late, clock = self._chance.choice(TIMETABLE), ManualClock()
        clock.advance(-minutes(3))
        store = self._client.store
        async with answering():
            await store.redis.delete(keys.cursor(late.name))
        then = Client(Store(store.redis, clock), self._client.codec)
        await Scheduler([late], then).fire_due()
        return late

    async def tick(self) -> None:
        """Come late to a schedule's tick oneself."""
        await Scheduler([await self.set_back()], self._client).fire_due()

    async def is_done(self) -> bool:
        """Whether no run is on the queues, or waits to be run again."""
        with suppress(Unavailable):
            again = await self.redrive()
            async with answering():
                queued = [await self._client.store.redis.zcard(keys.queue(each)) for each in QUEUES]
            return not (again or any(queued))
        return False


def regretted(calls: Iterable[Call[Any]], handles: Iterable[Handle[Any]]) -> list[Handle[Any]]:
    """Those that are to be cancelled."""
    pairs = zip(calls, handles, strict=True)
    return [handle for call, handle in pairs if call.job.name == regret.name]


async def cancel(handles: Iterable[Handle[Any]], chance: Random) -> None:
    """Cancel them a moment later; most are at work by then."""
    wanted = list(handles)
    if wanted:
        await anyio.sleep(chance.uniform(0, _LATEST))
    for each in wanted:
        with suppress(Unavailable):
            await each.cancel()
