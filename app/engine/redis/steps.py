"""Carrying out a step: its Lua on the server, its answer, and who hears that a queue has changed.

The server knows a script by its digest; where it has forgotten it, the script is sent once more. A
claim is sent with a request to track the keys it reads: the first change of a queue by somebody
else is then told to whoever listens, whether a worker of ours made it or a plain arq client.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError

from app.engine.errors import OutOfMemory, Unanswered, Unavailable
from app.engine.redis.exchange import Command
from app.engine.redis.line import Line

STEPS: Final = (
    "enqueue",
    "claim",
    "complete",
    "retry",
    "bury",
    "park",
    "unpark",
    "cancel",
    "sweep",
    "lift",
    "postpone",
    "tick",
    "replay",
    "hold",
    "depth",
    "let_go",
    "drop",
    "outdate",
)
_TRACKING = ("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP")
_ARM = ("CLIENT", "CACHING", "YES")  # the keys of the next command are tracked, until one changes
_BROKEN = (RedisError, OSError, TimeoutError)
_OFF_QUEUES = {"claim", "unpark", "sweep", "lift", "hold", "depth", "let_go", "drop", "outdate"}
_ON_QUEUES = frozenset(STEPS) - _OFF_QUEUES
"""The steps that change a queue, but for `unpark`: of that the keeper tells."""


def source(step: str) -> str:
    """The Lua of a step, with what they all share in front."""
    folder = files("app.engine.redis") / "lua"
    return (folder / "shared.lua").read_text() + (folder / f"{step}.lua").read_text()


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


@dataclass(frozen=True, slots=True)
class _Listener:
    """Who wants to know that queues may have changed."""

    changed: Callable[[], None]
    wrote: Callable[[], None]
    lost: Callable[[], None]


class Steps:
    """The scripts, on one line to the server."""

    def __init__(self, line: Line) -> None:
        """`line` is opened by the first step, and closed by whoever made it."""
        self._line = line
        self._scripts: dict[str, _Script] = {}
        self._listening: list[_Listener] = []
        self._queues: Sequence[str] = ()

    async def run(self, step: str, *args: Any, on: Sequence[str] = ()) -> Any:
        """The step's answer; raises `Unavailable`."""
        try:
            return (await self._sent(step, args, on))[-1]
        finally:  # whoever was cancelled may have written, too
            if step in _ON_QUEUES:
                self._wrote()

    async def claim(self, args: Sequence[Any], queues: Sequence[str]) -> tuple[Any, bool]:
        """A claim's answer, and whether the server will tell of changes."""
        self._queues = queues
        if not self._listening:
            return await self.run("claim", *args, on=queues), False
        *_, answer = await self._sent("claim", args, queues, first=(_ARM,))
        return answer, self._line.is_welcome

    @contextmanager
    def listening(
        self, *, changed: Callable[[], None], wrote: Callable[[], None], lost: Callable[[], None]
    ) -> Generator[None]:
        """Hear, inside, when a queue of the last claim was `changed` by others, once a claim.

        Of what this connection `wrote` itself the server says nothing, and forgets what it
        tracked; and so it does when the connection is `lost`.
        """
        listener, line = _Listener(changed, wrote, lost), self._line
        self._listening.append(listener)
        line.greet(_TRACKING)
        line.on_push, line.on_lost = self._heard, self._lost
        try:
            yield
        finally:
            self._listening.remove(listener)

    def _heard(self, push: Any) -> None:
        if _names_one_of(self._queues, push):
            for each in self._listening:
                each.changed()

    def _lost(self) -> None:
        for each in self._listening:
            each.lost()

    def _wrote(self) -> None:
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


def _names_one_of(queues: Sequence[str], push: Any) -> bool:
    """Whether it is an invalidation of one of these; the claim reads other keys too."""
    kind, changed = push[0], push[1] if len(push) > 1 else None
    if kind != b"invalidate":
        return False
    return changed is None or any(key.encode() in changed for key in queues)


class _Script:
    """A step's Lua, and the name the server knows it by."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = sha1(source.encode(), usedforsecurity=False).hexdigest()
