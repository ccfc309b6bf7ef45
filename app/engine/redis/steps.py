"""Carrying out a step: its Lua on the server, its answer, and who hears that a queue has changed.

The server knows a script by its digest; where it has forgotten it, the script is sent once more. A
claim is sent with a request to track the keys it reads: the first change of a queue by somebody
else is then told to whoever listens, whether a worker of ours made it or a plain arq client.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

import msgspec
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError

from app.engine.errors import OutOfMemory, Unanswered, Unavailable
from app.engine.redis import keys
from app.engine.redis.exchange import Command
from app.engine.redis.line import Line

log = logging.getLogger(__name__)

STEPS: Final = (
    "enqueue",
    "enqueue_one",
    "claim",
    "rename",
    "complete",
    "retry",
    "bury",
    "park",
    "unpark",
    "cancel",
    "sweep",
    "lift",
    "postpone",
    "admit",
    "tick",
    "replay",
    "hold",
    "depth",
    "let_go",
    "drop",
    "outdate",
    "withdraw",
    "relay",
    "relayed",
    "note",
    "unmark",
    "begin",
    "acquit",
    "doubt",
    "try",
    "say",
    "examine",
    "vouch",
)
_ALONE = frozenset(
    {"enqueue_one", "say", "vouch"}
)  # steps that share nothing but names, to be short
_PUT_RUNS = {"enqueue", "enqueue_one", "postpone", "tick", "relay"}
_WHEN_FULL = frozenset(STEPS) - _PUT_RUNS - {"complete", "depth"}
"""The steps that pass on a server without memory; `complete` sees to it by itself."""
_TRACKING = ("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP")
_ARM = ("CLIENT", "CACHING", "YES")  # the keys of the next command are tracked, until one changes
_BROKEN = (RedisError, OSError, TimeoutError)
_OFF_QUEUES = {
    *("claim", "unpark", "withdraw", "sweep", "lift", "hold", "depth", "let_go", "drop"),
    *("outdate", "relayed", "note", "unmark", "admit"),
    *("begin", "acquit", "doubt", "try", "say"),
}
_ON_QUEUES = frozenset(STEPS) - _OFF_QUEUES
"""The steps that change a queue, but for `unpark`: of that the keeper tells."""


def source(step: str) -> str:
    """The Lua of a step, with what it shares with others in front."""
    folder = files("app.engine.redis") / "lua"
    before = ("names",) if step in _ALONE else ("names", "shared")
    parts = (*before, "when_full", step) if step in _WHEN_FULL else (*before, step)
    return "".join((folder / f"{part}.lua").read_text() for part in parts)


@asynccontextmanager
async def answering() -> AsyncGenerator[None]:
    """Turn what the connection raises into `Unavailable`."""
    try:
        yield
    except _BROKEN as error:
        raise Unavailable(_said(error)) from error


def _said(error: Exception) -> str:
    kind = "" if isinstance(error, MasterNotFoundError) else f"{type(error).__name__}: "
    return f"Redis: {kind}{error}"  # what our Sentinels say is a sentence


class _NotLoaded(Unavailable):
    """The server has forgotten the script; it did nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A worker that wants to know that queues may have changed, or what is handed to it."""

    worker: str
    changed: Callable[[], None]
    """Others have changed a queue of the last claim; told once a claim."""
    wrote: Callable[[], None]
    """This connection has: of that the server says nothing, and forgets what it tracked."""
    lost: Callable[[], None]
    """The connection broke, and what the server knew of it is gone."""
    handed: Callable[[str, str, bytes], None]
    """A run is leased to this worker: its id, its queue, its payload."""


class Ears(msgspec.Struct, frozen=True):
    """What the server tells this connection."""

    of_changes: bool = False
    of_runs: bool = False
    """Of those that are handed over."""


class Steps:
    """The scripts, on one line to the server."""

    def __init__(self, line: Line) -> None:
        """`line` is opened by the first step, and closed by whoever made it."""
        self._line = line
        self._scripts: dict[str, _Script] = {}
        self._listening: list[Listener] = []
        self._queues: Sequence[str] = ()

    async def run(self, step: str, *args: Any, on: Sequence[str] = ()) -> Any:
        """The step's answer; raises `Unavailable`."""
        try:
            return (await self._sent(step, args, on))[-1]
        finally:  # whoever was cancelled may have written, too
            if step in _ON_QUEUES:
                self.wrote()

    async def claim(self, args: Sequence[Any], queues: Sequence[str]) -> tuple[Any, Ears]:
        """A claim's answer, and what the server will tell of."""
        self._queues = queues
        if not (self._listening and self._line.can_hear):
            return await self.run("claim", *args, on=queues), Ears()
        *_, answer = await self._sent("claim", args, queues, first=(_ARM,))
        return answer, self.ears

    @property
    def ears(self) -> Ears:
        """What the server tells this connection, as it is now."""
        tracking, *subscribed = self._line.welcome or (False,)
        return Ears(tracking, bool(subscribed) and all(subscribed))

    @contextmanager
    def listening(self, listener: Listener) -> Generator[None]:
        """Let it hear, inside, what the server tells."""
        self._listening.append(listener)
        self._greet()
        self._line.on_push, self._line.on_lost = self._heard, self._lost
        try:
            yield
        finally:
            self._listening.remove(listener)

    def _greet(self) -> None:
        channels = [keys.hand_over(each.worker) for each in self._listening]
        self._line.greet(_TRACKING, *(("SUBSCRIBE", channel) for channel in channels))

    def _heard(self, push: Any) -> None:
        match push:
            case [b"message", bytes() as channel, bytes() as data]:
                self._hand_on(channel, data)
            case [b"invalidate", None, *_]:  # all there is
                self._tell_of_a_change()
            case [b"invalidate", [*changed], *_] if any(
                key.encode() in changed for key in self._queues
            ):
                self._tell_of_a_change()
            case _:
                """Of other keys that a claim reads, or of what nobody asked for."""

    def _tell_of_a_change(self) -> None:
        for each in self._listening:
            each.changed()

    def _hand_on(self, channel: bytes, data: bytes) -> None:
        try:
            queue, id, payload = data.split(b"\n", 2)
            names = id.decode(), queue.decode()
        except ValueError:  # anybody may publish: no step of ours says this
            log.warning("a message that hands over no run was dropped: %d bytes", len(data))
            return
        for each in self._listening:
            if keys.hand_over(each.worker).encode() == channel:
                each.handed(*names, payload)

    def _lost(self) -> None:
        for each in self._listening:
            each.lost()

    def wrote(self) -> None:
        """Tell whoever listens that this connection has changed a queue."""
        for each in self._listening:
            each.wrote()

    async def _sent(
        self, step: str, args: Sequence[Any], on: Sequence[str], *, first: Sequence[Command] = ()
    ) -> Sequence[Any]:
        script = self._script(step)
        command = ("EVALSHA", script.sha, len(on), *on, *args)
        try:
            return await self._asked(*first, command)
        except _NotLoaded:
            load = ("SCRIPT", "LOAD", script.source)  # in one write: nothing gets between the two
            return (await self._asked(load, *first, command))[1:]

    async def _asked(self, *commands: Command) -> Sequence[Any]:
        """The answers; raises `Unavailable`, and `Unanswered` once they were sent."""
        if not self._line.is_connected:
            async with answering():
                await self._line.connect()
        try:
            return await self._line.calls(*commands)
        except NoScriptError as error:
            raise _NotLoaded(_said(error)) from error
        except OutOfMemoryError as error:
            raise OutOfMemory(_said(error)) from error
        except _BROKEN as error:
            raise Unanswered(_said(error)) from error

    def _script(self, step: str) -> "_Script":
        if step not in self._scripts:
            self._scripts[step] = _Script(source(step))
        return self._scripts[step]


class _Script:
    """A step's Lua, and the name the server knows it by."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
