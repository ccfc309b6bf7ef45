"""A network that kills a worker at its n-th call, just before the call arrives or just after."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import hiredis
from arq.connections import RedisSettings

from tests.life.processes import WorkerProcess
from tests.life.witness import Witness
from tests.proxy import Proxy, served
from tests.unanswered import Unanswered

_GREETINGS = {b"HELLO", b"CLIENT", b"SELECT", b"AUTH", b"SUBSCRIBE"}


class Guillotine(Proxy):
    """Serves one worker after the other."""

    def __init__(self, redis: RedisSettings, port: int, witness: Witness) -> None:
        super().__init__(redis, port)
        self._witness = witness
        self._victim: WorkerProcess | None = None
        self._left = 0
        self._is_late = False

    def await_call(self, victim: WorkerProcess, number: int, *, is_late: bool) -> None:
        """Kill it at this call; with `is_late` Redis carries the call out."""
        self._victim, self._left, self._is_late = victim, number, is_late

    def _asks(self, link: Unanswered, data: bytes) -> bool:
        victim, reader = self._victim, hiredis.Reader()
        if victim is None:
            return super()._asks(link, data)
        reader.feed(data)  # what a worker asks comes in whole commands: they are small
        while (command := reader.gets()) is not False:
            self._left -= command[0].upper() not in _GREETINGS
        if self._left > 0:
            return super()._asks(link, data)
        self._victim = None
        if self._is_late:
            asyncio.get_running_loop().call_soon(self._witness.kill, victim)  # once it is sent
            return super()._asks(link, data)
        self._witness.kill(victim)
        return False


@asynccontextmanager
async def guillotine(redis: RedisSettings, witness: Witness) -> AsyncGenerator[Guillotine]:
    """In front of this server, while the block lasts."""
    async with served(redis, lambda port: Guillotine(redis, port, witness)) as proxy:
        yield proxy
