"""A network between a test's processes and Redis, which the test can cut, freeze and slow down."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

import anyio
from anyio.abc import ByteStream, Listener, SocketAttribute
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from anyio.streams.tls import TLSListener
from arq.connections import RedisSettings

from tests.unanswered import Fate, Judge, Unanswered, spare
from tests.ways import greeter, guest, url_of

_HOST = "127.0.0.1"
_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)

Sent = tuple[float, bytes]
"""When it was sent, by the loop's clock, and what."""
Passes = Callable[[bytes], bool]
"""Whether this may go on."""
Opened = Callable[[], Awaitable[None]]
"""Returns when there is a way."""


class _Links(Protocol):
    async def link(self, near: ByteStream) -> None: ...


Network = TypeVar("Network", bound=_Links)


class Proxy:
    """Passes connections on to Redis, as well as the test lets it."""

    def __init__(self, redis: RedisSettings, port: int, *, is_read: bool = True) -> None:
        self._redis = redis
        self._is_read = is_read
        self._port = port
        self._links = set[anyio.CancelScope]()
        self._delay = 0.0
        self._made = self._forgotten = 0
        self._is_cut = False
        self._unanswered = b""
        self.judge: Judge = spare
        """What becomes of each request, where this proxy reads along."""
        self._flowing = anyio.Event()
        self._flowing.set()

    @property
    def settings(self) -> RedisSettings:
        """The way to Redis through here: by TCP, and with TLS where that is spoken there."""
        return through(self._redis, self._port)

    @property
    def url(self) -> str:
        """The same, for a process."""
        return url_of(self.settings)

    def lead_to(self, redis: RedisSettings) -> None:
        """Be the way to another server from now on, for new connections."""
        self._redis = redis

    def cut(self) -> None:
        """Break every connection, and each new one as soon as it is made."""
        self._is_cut = True
        for link in self._links:
            link.cancel()

    def lose_answer(self, to: bytes) -> None:
        """Let the next request with this word be carried out, and break the connection then."""
        self._unanswered = to

    @property
    def has_lost_it(self) -> bool:
        """Whether no answer is still to be lost."""
        return not self._unanswered

    def freeze(self) -> None:
        """Let nothing through, neither bytes nor ends; what is sent arrives once it is healed."""
        if self._flowing.is_set():
            self._flowing = anyio.Event()

    def forget(self) -> None:
        """Let nothing through any more on the connections that there are; serve new ones."""
        self._forgotten = self._made

    def delay(self, seconds: float) -> None:
        """Let everything arrive so much later, each way; what follows is not held up further."""
        self._delay = seconds

    def heal(self) -> None:
        """Be a good network again; what was cut stays broken."""
        self._is_cut, self._delay = False, 0.0
        self._flowing.set()

    async def link(self, near: ByteStream) -> None:
        """Serve one connection until either side ends it."""
        with anyio.CancelScope() as scope, suppress(*_GONE):
            self._links.add(scope)
            try:
                async with near:
                    await self._pass_on(near)
            finally:
                self._links.remove(scope)

    async def _pass_on(self, near: ByteStream) -> None:
        if self._is_cut:
            return
        link = Unanswered() if self._is_read else None
        self._made += 1
        passable = partial(self._passable, self._made)
        async with await self._connect() as far, anyio.create_task_group() as group:
            for source, sink, passes in (
                (near, far, partial(self._asks, link) if link else _all),
                (far, near, link.answer if link else _all),
            ):
                group.start_soon(self._flow, source, sink, passes, passable, group.cancel_scope)

    def _asks(self, link: Unanswered, data: bytes) -> bool:
        return link.ask(data, self._fate)

    def _fate(self, command: Sequence[bytes]) -> Fate:
        if self._unanswered and any(self._unanswered in word for word in command):
            self._unanswered = b""
            return Fate.UNHEARD
        return self.judge(command)

    async def _connect(self) -> ByteStream:
        return _Stream(*await reach(self._redis))

    async def _flow(
        self,
        source: ByteStream,
        sink: ByteStream,
        passes: Passes,
        passable: Opened,
        link: anyio.CancelScope,
    ) -> None:
        """One direction; its end, when all that was sent has arrived, is the end of both."""
        sending, arriving = anyio.create_memory_object_stream[Sent](math.inf)
        async with anyio.create_task_group() as group:
            group.start_soon(_read, source, sending)
            await self._deliver(arriving, sink, passes, passable)
            link.cancel()

    async def _deliver(
        self,
        arriving: MemoryObjectReceiveStream[Sent],
        sink: ByteStream,
        passes: Passes,
        passable: Opened,
    ) -> None:
        with suppress(*_GONE):
            async with arriving:
                async for at, data in arriving:
                    await anyio.sleep_until(at + self._delay)
                    await passable()
                    if not passes(data):
                        return
                    await sink.send(data)
                await passable()

    async def _passable(self, number: int) -> None:
        """Wait until this connection lets something through, for ever if it is forgotten."""
        await self._flowing.wait()
        if number <= self._forgotten:
            await anyio.sleep_forever()


def _all(_data: bytes) -> bool:
    return True


class _Stream(ByteStream):
    """A connection; anyio's breaks if data comes just when it is cancelled."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """What comes next."""
        if data := await self._reader.read(max_bytes):
            return data
        raise anyio.EndOfStream

    async def send(self, item: bytes) -> None:
        """All of it."""
        if self._writer.transport.is_closing():  # uvloop's, once closed, raises what nobody expects
            raise anyio.ClosedResourceError
        self._writer.write(item)
        await self._writer.drain()

    async def send_eof(self) -> None:
        """Say that no more follows."""
        self._writer.write_eof()

    async def aclose(self) -> None:
        """Close it."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def _read(source: ByteStream, sending: MemoryObjectSendStream[Sent]) -> None:
    with suppress(*_GONE):
        async with sending:
            async for data in source:
                await sending.send((anyio.current_time(), data))


def through(redis: RedisSettings, port: int) -> RedisSettings:
    """The way to this server through a port of ours."""
    host = "localhost" if redis.ssl else _HOST  # the certificate's name
    return replace(redis, unix_socket_path=None, host=host, port=port)


async def reach(redis: RedisSettings) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to it, greeted by TLS where that is spoken there."""
    if path := redis.unix_socket_path:
        return await asyncio.open_unix_connection(path)
    assert isinstance(redis.host, str)
    return await asyncio.open_connection(redis.host, redis.port, ssl=guest() if redis.ssl else None)


@asynccontextmanager
async def served(redis: RedisSettings, make: Callable[[int], Network]) -> AsyncGenerator[Network]:
    """What is made for a port of ours, in front of this server, while the block lasts."""
    listener: Listener[Any] = await anyio.create_tcp_listener(local_host=_HOST)
    port = listener.extra(SocketAttribute.local_port)
    if redis.ssl:
        listener = TLSListener(listener, greeter(), standard_compatible=False)
    async with listener, anyio.create_task_group() as group:
        network = make(port)
        group.start_soon(listener.serve, network.link)
        yield network
        group.cancel_scope.cancel()


@asynccontextmanager
async def proxied(redis: RedisSettings, *, is_read: bool = True) -> AsyncGenerator[Proxy]:
    """A proxy in front of this server, while the block lasts.

    It reads along, and can lose an answer, but where `is_read` says that no requests are passed.
    """
    async with served(redis, partial(Proxy, redis, is_read=is_read)) as proxy:
        yield proxy
