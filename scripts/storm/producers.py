"""Those who enqueue: each asks again, with the same ids, until every run has its receipt."""

from collections.abc import Sequence
from random import Random
from time import monotonic
from typing import Any

import anyio
from arq.connections import RedisSettings

from app.engine import Call, Client, Codec, Handle, Unavailable
from storm.meddler import cancel, regretted
from storm.mix import calls
from storm.plan import Plan
from storm.worker import KEY
from tests.life.witness import Witness

_MOST = 20  # runs that one call enqueues
_LOOK = 0.02  # s between two looks whether there is room


class Producers:
    """Enqueue all runs of a storm."""

    def __init__(self, plan: Plan, witness: Witness, redis: RedisSettings, chance: Random) -> None:
        """`redis` is the way there, with all that happens on it."""
        self._plan = plan
        self._witness = witness
        self._redis = redis
        self._chance = chance
        self._left = plan.runs
        self._began = monotonic()

    async def run(self) -> None:
        """Return when every run has its receipt; some more are asked for until it has stormed."""
        self._began = monotonic()
        async with anyio.create_task_group() as group:
            for _ in range(self._plan.producers):
                group.start_soon(self._produce, Random(self._chance.random()))

    async def _produce(self, chance: Random) -> None:
        async with (
            Client.open(self._redis, Codec([KEY])) as client,
            anyio.create_task_group() as cancelling,
        ):
            while await self._room():
                count = min(max(1, self._left), chance.randint(1, _MOST))
                self._left -= count
                wanted = calls(chance, count)
                handles = regretted(wanted, await self._insist(client, wanted))
                cancelling.start_soon(cancel, handles, Random(chance.random()))

    async def _insist(self, client: Client, wanted: Sequence[Call[Any]]) -> Sequence[Handle[Any]]:
        while True:
            try:
                if len(wanted) == 1:
                    handles = [await client.enqueue_call(wanted[0])]
                else:
                    handles = await client.enqueue_many(wanted)
            except Unavailable:
                continue
            self._witness.accept(*(handle.id for handle in handles))
            return handles

    async def _room(self) -> bool:
        """Wait until it is time, and not too many runs are under way; False when all is done."""
        while self._is_early or self._witness.under_way > self._plan.backlog:
            await anyio.sleep(_LOOK)
        return self._is_going_on and self._passed < self._plan.seconds

    @property
    def _is_going_on(self) -> bool:
        return self._left > 0 or len(self._witness.outages) < self._plan.demands.restarts

    @property
    def _passed(self) -> float:
        return monotonic() - self._began

    @property
    def _is_early(self) -> bool:
        return self._plan.runs - self._left > self._passed * self._plan.pace
