"""Whether one worker process can do its work, asked by whoever sends it some or restarts it.

Its own state counts: that Redis takes and gives back and is still fit to be trusted with runs
(somebody may have changed that since the worker began), that the database can be read, that the
worker's own sign of life is there, that no job blocks it, and that it is not stopping. Whatever
does not answer within `_ANSWER` is a reason by itself. What was found holds for `_FRESH`, so that
many who ask cost no more than one: a breakage shows after four seconds at most.

A provider that can't be used is named, and no reason: the worker works, and another one in its
place would have the same trouble.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import anyio

from app.engine import Client, Unavailable, examine
from app.observability.providers import Providers
from app.storage.database import Database

log = logging.getLogger(__name__)

_ANSWER = 2.0  # s for each of the parts, which are asked at the same time
_FRESH = 1.0  # s

Reasons = tuple[str, ...]


class Working(Protocol):
    """What of a worker is looked at from outside."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Whether it claims nothing more."""
        ...


@dataclass(frozen=True, slots=True)
class Ready:
    """Why it can't work, if it can't: a line for each reason, without addresses or passwords."""

    reasons: Reasons = ()
    degraded: Reasons = ()
    """Providers that can't be used; it works all the same."""

    @property
    def is_so(self) -> bool:
        """Whether it can work."""
        return not self.reasons


class Readiness:
    """Looks whether one worker can work."""

    def __init__(
        self,
        worker: Callable[[], Working],
        client: Client,
        database: Database,
        *,
        accepted: Collection[str] = (),
        providers: Providers | None = None,
    ) -> None:
        """`accepted` is what Redis may lack; of `providers` it tells what they know already."""
        self._worker = worker
        self._client = client
        self._database = database
        self._accepted = accepted
        self._providers = providers or Providers()
        self._found, self._found_at = Ready(), float("-inf")
        self._turn = anyio.Lock()

    async def look(self) -> Ready:
        """Whether it can work, as of a moment ago."""
        async with self._turn:
            if monotonic() - self._found_at > _FRESH:
                self._found = await self._ask()
                self._found_at = monotonic()
            return self._found

    async def _ask(self) -> Ready:
        parts: dict[str, Callable[[], Awaitable[Reasons]]] = {
            "worker": self._worker_part,
            "redis": self._redis,
            "database": self._database_part,
        }
        found = dict[str, Reasons]()

        async def ask(name: str) -> None:
            found[name] = await _within(parts[name])

        async with anyio.create_task_group() as group:
            for name in parts:
                group.start_soon(ask, name)
        reasons = tuple(f"{name}: {line}" for name in parts for line in found[name])
        return Ready(reasons, self._providers.troubles)

    async def _worker_part(self) -> Reasons:
        worker = self._worker()
        if worker.is_stopping:
            return ("it is stopping",)
        try:
            seen = await self._client.worker(worker.id)
        except Unavailable:
            return ("its sign of life can't be read",)
        if seen is None:
            return ("its sign of life is gone",)
        if seen.blocked:
            return (f"a job blocks it for {seen.blocked.total_seconds():.0f} s",)
        return ()

    async def _redis(self) -> Reasons:
        await self._client.ping()
        fitness = await examine(self._client)
        return tuple(each.line for each in fitness.beyond(self._accepted))

    async def _database_part(self) -> Reasons:
        await self._database.ping()
        return ()


async def _within(ask: Callable[[], Awaitable[Reasons]]) -> Reasons:
    try:
        with anyio.fail_after(_ANSWER):
            return await ask()
    except TimeoutError:
        return (f"no answer within {_ANSWER:g} s",)
    except Exception as error:  # whatever is broken there is the reason
        log.debug("a part can't be asked", exc_info=error)
        return (f"it can't be asked ({type(error).__name__})",)
