"""A network that spoils what Redis says: in single bytes, cut in the middle, or noise instead."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import hiredis
from arq.connections import RedisSettings

from tests.proxy import reach, through
from tests.ways import greeter

_HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)  # close at once, with an RST


@dataclass(frozen=True, kw_only=True)
class Spoil:
    """What becomes of one answer."""

    before: bytes = b""
    """Said first."""
    share: float = 1.0
    """How much of it arrives."""
    is_reset: bool = False
    """Whether the connection breaks after it."""


class Noise:
    """Passes connections on to Redis, and does to its answers what the test wants."""

    def __init__(self, redis: RedisSettings) -> None:
        self._redis = redis
        self._spoil: Spoil | None = None
        self._to = b""
        self._refusal = b""
        self._links = set[asyncio.Task[None]]()
        self.port = 0
        self.is_chopped = False
        """Whether each byte is sent alone."""

    @property
    def settings(self) -> RedisSettings:
        """The way to Redis through here."""
        return through(self._redis, self.port)

    def spoil(self, how: Spoil, *, to: bytes) -> None:
        """Do this to the next answer where this word was asked; what was asked is carried out."""
        self._spoil, self._to = how, to

    def refuse(self, why: str) -> None:
        """Answer every script with this error, and let none through; nothing ends it."""
        self._refusal = f"-{why}\r\n".encode() if why else b""

    @property
    def has_spoilt_it(self) -> bool:
        """Whether no answer is still to be spoilt."""
        return self._spoil is None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        task = asyncio.current_task()
        assert task
        self._links.add(task)
        with suppress(OSError):
            far = await reach(self._redis)
            link = _Link(self, (reader, writer), far)
            try:
                await link.run()
            finally:
                for each in (writer, far[1]):
                    each.transport.abort()
        self._links.discard(task)

    async def aclose(self) -> None:
        """End every connection."""
        for link in [*self._links]:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def take(self, asked: bool) -> Spoil | None:
        """What is to become of an answer, once."""
        if not asked or self._spoil is None:
            return None
        spoil, self._spoil, self._to = self._spoil, None, b""
        return spoil

    def is_meant(self, data: bytes) -> bool:
        """Whether the answer to this is to be spoilt."""
        return bool(self._to) and self._to in data

    def refusal(self, command: list[bytes]) -> bytes:
        """What is answered in Redis's place, if anything."""
        return self._refusal if command[0].upper().startswith(b"EVAL") else b""


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection and its other half."""

    def __init__(self, noise: Noise, near: Streams, far: Streams) -> None:
        self._noise = noise
        self._near, self._far = near, far
        self._asking, self._answering = hiredis.Reader(), hiredis.Reader()
        self._is_meant = False
        self._under_way = 0

    async def run(self) -> None:
        """Both directions; the end of one is the end of the other."""
        both = [asyncio.ensure_future(each) for each in (self._ask(), self._answer())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _ask(self) -> None:
        while data := await self._near[0].read(65536):
            self._is_meant = self._is_meant or self._noise.is_meant(data)
            self._asking.feed(data)
            while (command := self._asking.gets()) is not False:
                await self._pass_on(command)

    async def _pass_on(self, command: list[bytes]) -> None:
        """To Redis, or refuse it in its place, after all that was asked before."""
        if refusal := self._noise.refusal(command):
            while self._under_way:
                await asyncio.sleep(0)
            self._near[1].write(refusal)
            return
        self._under_way += 1
        words: tuple[Any, ...] = tuple(command)
        self._far[1].write(cast("bytes", hiredis.pack_command(words)))

    async def _answer(self) -> None:
        while data := await self._far[0].read(65536):
            self._count(data)
            if spoil := self._noise.take(self._is_meant):
                self._is_meant = False
                data = spoil.before + data[: int(len(data) * spoil.share)]
                await self._say(data)
                if spoil.is_reset:
                    self._reset()
                    return
            else:
                await self._say(data)

    def _count(self, data: bytes) -> None:
        self._answering.feed(data)
        while (answer := self._answering.gets()) is not False:
            is_push = isinstance(answer, hiredis.PushNotification)
            self._under_way -= not is_push or answer[0] in (b"subscribe", b"unsubscribe")

    async def _say(self, data: bytes) -> None:
        step = 1 if self._noise.is_chopped else max(len(data), 1)
        for start in range(0, len(data), step):
            self._near[1].write(data[start : start + step])
            await self._near[1].drain()
            await asyncio.sleep(0)  # else the next byte is read with it

    def _reset(self) -> None:
        raw: socket.socket = self._near[1].get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._near[1].transport.abort()


@asynccontextmanager
async def noisy(redis: RedisSettings) -> AsyncGenerator[Noise]:
    """A noisy network in front of this server, while the block lasts."""
    noise = Noise(redis)
    tls = greeter() if redis.ssl else None
    async with await asyncio.start_server(noise.serve, _HOST, 0, ssl=tls) as server:
        noise.port = server.sockets[0].getsockname()[1]
        try:
            yield noise
        finally:
            server.close()
            await noise.aclose()
