"""One connection on which calls travel together: many in one write, their answers in one read.

redis-py does what is hard about connecting (TLS, passwords, unix sockets, Sentinel, RESP3); then
its transport is ours. What is sent in one turn of the loop is written in one piece, so a worker's
commit and its next claim share a round trip without knowing of each other. Answers are matched to
calls by their order. What the server says unasked (a push) goes to `on_push`.

A connection that breaks fails every call under way, and the next call opens another. Whether a
failed call was carried out nobody knows: each step of the store can be sent again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, cast

import hiredis
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as Silent

_ANSWER = 5.0  # s; a Redis that takes longer is down, as far as a caller can tell
_LOOKS = 4  # within that time, and each finds nothing
_DEMOTED = "READONLY"  # it was the master when we connected

Command = tuple[Any, ...]
Push = Callable[[Any], None]


class Line:
    """A connection of its own beside the pool's; opened by the first call, closed by `aclose`."""

    def __init__(self, pool: ConnectionPool, *, patience: float = _ANSWER) -> None:
        """Connects the way the pool does; an answer may take `patience` seconds."""
        self._pool = pool
        self._patience = patience
        self._greeting: Command | None = None
        self._greeted: asyncio.Future[Any] | None = None
        self._opening = asyncio.Lock()
        self._wire: _Wire | None = None
        self._failures, self._failed_by = 0, ""
        self.on_push: Push = _ignore
        self.on_lost: Callable[[], None] = _nobody
        """Told when the connection breaks: what the server knew of it is gone."""

    async def call(self, *command: Any) -> Any:
        """Send one command and wait for its answer; raises what redis-py would."""
        return (await self.calls(command))[0]

    async def connect(self) -> "_Wire":
        """Make sure that there is a connection; raises what redis-py would."""
        wire = self._wire
        return await self._open() if wire is None or wire.is_lost else wire

    async def calls(self, *commands: Command) -> Sequence[Any]:
        """Send these commands, nothing between them; raises what the last one's answer is.

        What the others were refused for stands among the answers, as a `ResponseError`.
        """
        wire = await self.connect()
        answered = wire.send(commands)
        last = await self._answer(wire, answered[-1])
        if isinstance(last, ResponseError):
            raise last
        return [*(_error_or(each.result()) for each in answered[:-1]), last]

    def greet(self, greeting: Command) -> None:
        """Say this first on every connection, and now if there is one."""
        self._greeting = greeting
        if self._wire is not None and not self._wire.is_lost:
            self._greeted = self._wire.send([greeting])[0]

    @property
    def is_welcome(self) -> bool:
        """Whether the greeting of this connection was answered, and not by a refusal."""
        greeted = self._greeted
        return (
            greeted is not None
            and greeted.done()
            and greeted.exception() is None
            and not isinstance(greeted.result(), hiredis.ReplyError)
        )

    async def aclose(self) -> None:
        """Close the connection; calls under way fail."""
        async with self._opening:
            await self._close()

    async def _answer(self, wire: "_Wire", answered: "asyncio.Future[Any]") -> Any:
        answer = await answered
        if not isinstance(answer, hiredis.ReplyError):
            return answer
        error = _error(answer)
        if str(error).startswith(_DEMOTED):
            wire.lose(error)  # the next call asks Sentinel, or the name service, again
        return error

    def _heard(self, push: Any) -> None:
        self.on_push(push)

    def _lost(self) -> None:
        self.on_lost()

    async def _open(self) -> "_Wire":
        """The connection; who waited in vain for somebody's attempt fails with it."""
        failures = self._failures
        async with self._opening:
            if self._wire is None or self._wire.is_lost:
                if self._failures != failures:
                    raise Disconnected(self._failed_by)
                await self._close()
                self._wire = await self._connected()
                self._greeted = self._wire.send([self._greeting])[0] if self._greeting else None
            return self._wire

    async def _connected(self) -> "_Wire":
        connection = await _connect(self._pool)
        wire = _Wire(connection, self._heard, self._lost, patience=self._patience)
        wire.take_over()
        return wire

    async def _close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()


class _Wire(asyncio.Protocol):
    """The bytes of one connection, from the moment redis-py hands it over."""

    def __init__(
        self, connection: Any, on_push: Push, on_lost: Callable[[], None], *, patience: float
    ) -> None:
        self._connection = connection
        self._patience = patience
        self._watch: asyncio.TimerHandle | None = None
        self._has_answered = True
        self._silent = 0  # looks in a row
        self._on_push = on_push
        self._on_lost = on_lost
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = (
            connection._writer.transport
        )  # no public way in redis-py 5
        self._theirs: Any = self._transport.get_protocol()
        self.is_lost = False

    def take_over(self) -> None:
        """Read and write from here on; nothing is on its way at this moment."""
        self._transport.set_protocol(self)

    def send(self, commands: Sequence[Command]) -> "list[asyncio.Future[Any]]":
        """Send with all else of this turn; each future is an answer, an error reply included."""
        packed = [cast("bytes", hiredis.pack_command(command)) for command in commands]
        answered = [self._loop.create_future() for _ in commands]
        self._waiting += answered
        if self._watch is None:
            self._has_answered = True  # until the first look there is nothing to miss
            self._look()
        self._transport.write(b"".join(packed))
        return answered

    def _look(self) -> None:
        """Lose a server that said nothing at one look after the other.

        Time alone is no proof: what blocked the loop may have left an answer to be read.
        """
        self._silent = 0 if self._has_answered else self._silent + 1
        self._has_answered, self._watch = False, None
        if self._silent == _LOOKS:
            self.lose(Silent(f"no answer in {self._patience:.0f} s"))
        elif self._waiting:
            self._watch = self._loop.call_later(self._patience / _LOOKS, self._look)

    def data_received(self, data: bytes) -> None:
        """Hand each complete answer to its call."""
        self._has_answered = True
        try:
            self._reader.feed(data)
            self._read()
        except hiredis.HiredisError as error:
            self.lose(error)

    def _read(self) -> None:
        while (answer := self._reader.gets()) is not False:
            if isinstance(answer, hiredis.PushNotification):
                self._on_push(answer)
            elif self._waiting:
                answered = self._waiting.popleft()
                if not answered.done():
                    answered.set_result(answer)

    def eof_received(self) -> None:
        """The server hung up: let the transport close."""
        self._theirs.eof_received()

    def pause_writing(self) -> None:
        """Pass it on to the stream that redis-py still holds."""
        self._theirs.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on, too."""
        self._theirs.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the stream, so that it can be closed, and every call under way."""
        self._theirs.connection_lost(exc)
        self.lose(exc)

    def lose(self, cause: Exception | None) -> None:
        """Fail what is under way; nothing more is sent here."""
        if self.is_lost:
            return
        self.is_lost = True
        if self._watch is not None:
            self._watch.cancel()
        self._transport.abort()
        self._on_lost()
        while self._waiting:
            answered = self._waiting.popleft()
            if not answered.done():
                answered.set_exception(_broken(cause))
                answered.exception()  # seen: whoever waited may be gone

    async def close(self) -> None:
        """Disconnect as redis-py does."""
        self.lose(None)
        await self._connection.disconnect()


async def _connect(pool: ConnectionPool) -> Any:
    """A connection of redis-py's that speaks RESP3, ready to be taken over."""
    connect: Any = pool.connection_class
    connection = connect(**{**pool.connection_kwargs, "protocol": 3})
    async with AsyncExitStack() as unfinished:
        unfinished.push_async_callback(connection.disconnect, nowait=True)
        await connection.connect()
        unfinished.pop_all()
    return connection


def _broken(cause: Exception | None) -> RedisError:
    """A new error for each call: whoever raises one writes its traceback into it."""
    if isinstance(cause, Silent):
        return Silent(str(cause))
    return Disconnected(f"the connection broke: {cause}")


def _says_demoted(refusal: str) -> bool:
    return any(word in refusal for word in _DEMOTED)  # Redis 6 has it within a script's error


def _ignore(_push: Any) -> None:
    """Nobody listens."""


def _nobody() -> None:
    """Nobody minds."""


def _error_or(answer: Any) -> Any:
    return _error(answer) if isinstance(answer, hiredis.ReplyError) else answer


def _error(reply: hiredis.ReplyError) -> ResponseError:
    text = str(reply)
    return NoScriptError(text) if text.startswith("NOSCRIPT") else ResponseError(text)
