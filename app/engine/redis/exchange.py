"""The bytes of one connection: commands go out, answers come back in their order, pushes between.

redis-py has opened it and closes it; what it would read and write in between is ours.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as Silent

_LOOKS = 4  # within the time an answer may take; a lost server is silent at each
_WHOLE = 10 * _LOOKS  # looks at which something came and no answer was whole: none ever will be

_ANSWERS = (b"subscribe", b"unsubscribe")  # the pushes that answer a command of that name

Command = tuple[Any, ...]
Push = Callable[[Any], None]


class Exchange(asyncio.Protocol):
    """The bytes of one connection, from the moment redis-py hands it over."""

    def __init__(
        self, connection: Any, on_push: Push, on_lost: Callable[[], None], *, patience: float
    ) -> None:
        self._connection = connection
        self._patience = patience
        self._watch: asyncio.TimerHandle | None = None
        self._has_answered = True
        self._silent = 0  # looks in a row
        self._unfinished = 0  # looks since an answer was whole
        self._unsent = 0  # bytes: a server that takes what is large is not silent
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

    @property
    def peer(self) -> str:
        """The address of the other end; empty for a unix socket."""
        name: Any = self._transport.get_extra_info("peername")
        return "" if not name or isinstance(name, str | bytes) else str(name[0])

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
        unsent, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        is_alive = self._has_answered or self._unsent < unsent
        self._silent = 0 if is_alive else self._silent + 1
        self._unfinished += self._has_answered
        self._has_answered, self._watch = False, None
        if self._silent == _LOOKS:
            self.lose(Silent(f"no answer in {self._patience:.0f} s"))
        elif self._unfinished >= _WHOLE:  # it announced more than it has, and swallows what follows
            self.lose(Silent("an answer has no end"))
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
            self._unfinished = 0
            if isinstance(answer, hiredis.PushNotification) and not _is_answer(answer):
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


def _is_answer(push: Any) -> bool:
    return bool(push) and push[0] in _ANSWERS


def _broken(cause: Exception | None) -> RedisError:
    """A new error for each call: whoever raises one writes its traceback into it."""
    if isinstance(cause, Silent):
        return Silent(str(cause))
    return Disconnected(f"the connection broke: {cause}")
