"""The network between Redis and all others: each connection can be made toxic by itself."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

import anyio
from anyio.abc import ByteStream
from arq.connections import RedisSettings

from tests.proxy import Proxy, served, through

_ILL = 1.0  # s that a toxic connection stays so


class Network:
    """Passes on what is sent, and knows every connection."""

    def __init__(self, redis: RedisSettings, port: int, chance: Random) -> None:
        self._redis = redis
        self._port = port
        self._chance = chance
        self._links = list[Proxy]()
        self.toxic = 0
        """How many connections were made toxic so far."""
        self.seen = 0
        """How many there were, counted anew as often as a toxic one stays so."""

    @property
    def settings(self) -> RedisSettings:
        """The way to Redis through here."""
        return through(self._redis, self._port)

    async def link(self, near: ByteStream) -> None:
        """Serve one connection until either side ends it."""
        link = Proxy(self._redis, self._port)
        self._links.append(link)
        try:
            await link.link(near)
        finally:
            self._links.remove(link)

    async def sicken(self, share: float) -> None:
        """Keep this share of all connections toxic, until cancelled."""
        async with anyio.create_task_group() as ill:
            while True:
                self.seen += len(self._links)
                wanted = math.ceil(share * self.seen) - self.toxic
                for link in self._chance.sample(self._links, min(wanted, len(self._links))):
                    self.toxic += 1
                    ill.start_soon(self._poison, link)
                await anyio.sleep(_ILL)

    async def _poison(self, link: Proxy) -> None:
        match self._chance.randrange(4):
            case 0:
                link.cut()
            case 1:
                link.lose_answer(b"EVALSHA")
            case 2:
                link.delay(self._chance.uniform(0.02, 0.2))
                await anyio.sleep(_ILL)
                link.heal()
            case _:
                link.freeze()
                await anyio.sleep(_ILL)
                link.heal()
                link.cut()


@asynccontextmanager
async def network(redis: RedisSettings, chance: Random) -> AsyncGenerator[Network]:
    """A network in front of this server, while the block lasts."""
    async with served(redis, lambda port: Network(redis, port, chance)) as net:
        yield net
