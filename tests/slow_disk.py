"""A server whose disk is slow, as far as one can tell from here: its count of that is made up."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from anyio.abc import ByteStream
from arq.connections import RedisSettings

from tests.proxy import Proxy, served

_HONEST = b"aof_delayed_fsync:0\r\n"


class SlowDisk(Proxy):
    """The way to a real server with an append-only file."""

    held_up = 0
    """How often it says that its disk held it up: a digit, which leaves the answer's length."""

    async def _connect(self) -> ByteStream:
        return _Lying(await super()._connect(), self)

    def told(self, data: bytes) -> bytes:
        """The same, with another number."""
        return data.replace(_HONEST, b"aof_delayed_fsync:%d\r\n" % self.held_up)


class _Lying(ByteStream):
    """Passes everything on but the truth about the disk."""

    def __init__(self, honest: ByteStream, disk: SlowDisk) -> None:
        self._honest = honest
        self._disk = disk

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """What comes next."""
        return self._disk.told(await self._honest.receive(max_bytes))

    async def send(self, item: bytes) -> None:
        """All of it."""
        await self._honest.send(item)

    async def send_eof(self) -> None:
        """Say that no more follows."""
        await self._honest.send_eof()

    async def aclose(self) -> None:
        """Close it."""
        await self._honest.aclose()


@asynccontextmanager
async def slow_disk_of(redis: RedisSettings) -> AsyncGenerator[SlowDisk]:
    """In front of this server, while the block lasts."""
    async with served(redis, partial(SlowDisk, redis)) as disk:
        yield disk
