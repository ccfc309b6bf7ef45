"""One connection on which calls travel together: many in one write, their answers in one read.

redis-py does what is hard about connecting (TLS, passwords, unix sockets, Sentinel, RESP3); then
its transport is ours (exchange). A worker's commit and its next claim share a round trip without
knowing of each other. What the server says unasked (a push) goes to `on_push`.

A connection that breaks fails every call under way, and the next call opens another. Whether a
failed call was carried out nobody knows: each step of the store can be sent again.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import hiredis
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError, ResponseError

from app.engine.redis.exchange import Command, Exchange, Push

PUSHING = 3  # of RESP: from this version on a server says things unasked
ANSWER = 2.0  # s; a Redis that takes longer is down, as far as a caller can tell
_NO_MEMORY = "OOM command not allowed"
_DEMOTED = ("READONLY", "MASTERDOWN")  # it was the master when we connected


class Line:
    """A connection of its own beside the pool's; opened by the first call, closed by `aclose`."""

    def __init__(
        self, pool: ConnectionPool, *, protocol: int = PUSHING, patience: float = ANSWER
    ) -> None:
        """Connects the way the pool does; an answer may take `patience` seconds."""
        self._pool = pool
        self._protocol = protocol
        self._patience = patience
        self._greeting: tuple[Command, ...] = ()
        self._greeted: list[asyncio.Future[Any]] = []
        self._opening = asyncio.Lock()
        self._wire: Exchange | None = None
        self._failures, self._failed_by = 0, ""
        self.on_push: Push = _ignore
        self.on_lost: Callable[[], None] = _nobody
        """Told when the connection breaks: what the server knew of it is gone."""

    async def call(self, *command: Any) -> Any:
        """Send one command and wait for its answer; raises what redis-py would."""
        return (await self.calls(command))[0]

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._wire is not None and not self._wire.is_lost

    async def connect(self) -> Exchange:
        """Make sure that there is a connection; raises what redis-py would."""
        wire = self._wire
        return await self._open() if wire is None or wire.is_lost else wire

    async def peer(self) -> str:
        """The address of the other end; empty for a unix socket."""
        return (await self.connect()).peer

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

    @property
    def can_hear(self) -> bool:
        """Whether the server says anything unasked, once it was asked to."""
        return self._protocol >= PUSHING

    def greet(self, *greeting: Command) -> None:
        """Say this first on every connection, and now if there is one: let it tell us things.

        Not where it can't: it would agree to all, and tell nothing or take no other command.
        """
        if not self.can_hear:
            return
        self._greeting = greeting
        if self._wire is not None and not self._wire.is_lost:
            self._greeted = self._wire.send(greeting)

    @property
    def welcome(self) -> Sequence[bool]:
        """Which parts of the greeting this connection has answered, and not by a refusal."""
        return [_is_welcome(each) for each in self._greeted]

    async def aclose(self) -> None:
        """Close the connection; calls under way fail."""
        async with self._opening:
            await self._close()

    async def _answer(self, wire: Exchange, answered: "asyncio.Future[Any]") -> Any:
        answer = await answered
        if not isinstance(answer, hiredis.ReplyError):
            return answer
        error = _error(answer)
        if _says_demoted(str(error)):
            wire.lose(error)  # the next call asks Sentinel, or the name service, again
        return error

    def _heard(self, push: Any) -> None:
        self.on_push(push)

    def _lost(self) -> None:
        self.on_lost()

    async def _open(self) -> Exchange:
        """The connection; who waited in vain for somebody's attempt fails with it."""
        failures = self._failures
        async with self._opening:
            if self._wire is None or self._wire.is_lost:
                if self._failures != failures:
                    raise Disconnected(self._failed_by)
                await self._close()
                self._wire = await self._connected()
                self._greeted = self._wire.send(self._greeting) if self._greeting else []
            return self._wire

    async def _connected(self) -> Exchange:
        try:
            connection = await _connect(self._pool, self._protocol)
        except (RedisError, OSError) as error:
            self._failures, self._failed_by = self._failures + 1, str(error)
            raise
        wire = Exchange(connection, self._heard, self._lost, patience=self._patience)
        wire.take_over()
        return wire

    async def _close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()


async def _connect(pool: ConnectionPool, protocol: int) -> Any:
    """A connection of redis-py's that speaks this RESP, ready to be taken over."""
    connect: Any = pool.connection_class
    connection = connect(**{**pool.connection_kwargs, "protocol": protocol})
    async with AsyncExitStack() as unfinished:
        unfinished.push_async_callback(connection.disconnect, nowait=True)
        await connection.connect()
        unfinished.pop_all()
    return connection


def _is_welcome(greeted: "asyncio.Future[Any]") -> bool:
    if not greeted.done() or greeted.exception() is not None:
        return False
    return not isinstance(greeted.result(), hiredis.ReplyError)


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
    if text.startswith("NOSCRIPT"):
        return NoScriptError(text)
    # Redis 6 has it within a script's error
    return OutOfMemoryError(text) if _NO_MEMORY in text else ResponseError(text)
