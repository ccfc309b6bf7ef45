"""Redis is killed, and comes back with what it had; the outages are told to the witness."""

from random import Random
from signal import SIGKILL
from time import monotonic

import anyio

from storm.plan import Plan
from tests.life.evidence import Span
from tests.life.witness import Witness
from tests.servers import Server

_SHORTEST = 0.1  # s


class Weather:
    """Kills one server, again and again."""

    def __init__(self, plan: Plan, server: Server, witness: Witness, chance: Random) -> None:
        self._plan = plan
        self._server = server
        self._witness = witness
        self._chance = chance

    async def run(self) -> None:
        """Until cancelled; then Redis serves."""
        while True:
            await anyio.sleep(self._plan.restart_every * self._chance.uniform(0.5, 1.5))
            with anyio.CancelScope(shield=True):
                await self._strike(self._chance.uniform(_SHORTEST, self._plan.longest_outage))

    async def _strike(self, length: float) -> None:
        began = monotonic()
        await self._server.stop(SIGKILL)
        await anyio.sleep(length)
        await self._server.start()
        self._witness.outages.append(Span(began, monotonic()))
