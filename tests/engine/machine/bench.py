"""The real store on a real server, for steps that are not async: each is carried out to its end."""

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any, TypeVar

from arq.connections import RedisSettings

from app.engine import ManualClock
from app.engine.redis.connection import open_redis
from app.engine.redis.steps import Listener
from app.engine.redis.store import Store
from tests.engine.machine.picture import READ, Picture, read
from tests.rights import as_admin

T = TypeVar("T")
Message = tuple[str, str, str, bytes]
"""Which worker was handed a run, its id, its queue, its payload."""


class Bench:
    """One connection, one loop, one clock that moves when told to."""

    def __init__(
        self, runner: asyncio.Runner, store: Store, far: Store, admin: Any, clock: ManualClock
    ) -> None:
        self._runner = runner
        self.store = store
        self.far = far
        """Of those who enqueue: what they do is told to the workers' connection."""
        self._admin = admin
        self._listening: dict[str, ExitStack] = {}
        self._handed: list[Message] = []
        self.clock = clock

    def do(self, step: Awaitable[T]) -> T:
        """Carry it out; what it returns."""
        return self._runner.run(_awaited(step))

    def picture(self) -> Picture:
        """All that Redis holds now."""
        return read(self.do(self._admin.eval(READ, 0)))

    def delete(self, *keys: str) -> None:
        """Make keys end, as they do when their time is up."""
        if keys:
            self.do(self.store.redis.delete(*keys))

    def listen(self, worker: str) -> None:
        """Hear what is handed to this worker."""
        self.do(self._listen(worker))

    async def _listen(self, worker: str) -> None:
        def hear(id: str, queue: str, payload: bytes) -> None:
            self._handed.append((worker, id, queue, payload))

        stack = self._listening[worker] = ExitStack()
        listener = Listener(
            worker=worker, changed=_nothing, wrote=_nothing, lost=_nothing, handed=hear
        )
        stack.enter_context(self.store.listening(listener))

    def deafen(self, worker: str) -> None:
        """Hear it no more."""
        self._listening.pop(worker).close()

    def handed(self) -> list[Message]:
        """What has been handed over since anybody asked."""
        self.do(self.store.server_time())  # what was said before has arrived before this answer
        heard, self._handed = self._handed, []
        return heard

    def empty(self) -> None:
        """Begin again with nothing."""
        for worker in [*self._listening]:
            self.deafen(worker)
        self._handed.clear()
        self.do(self._admin.flushdb())
        self.clock.offset *= 0


def _nothing() -> None:
    """Nobody minds."""


async def _awaited(step: Awaitable[T]) -> T:
    return await step


@contextmanager
def open_bench(settings: RedisSettings) -> Generator[Bench]:
    """A bench at this server, which is empty again in the end."""
    with asyncio.Runner() as runner:
        stack, clock = AsyncExitStack(), ManualClock()
        redis = runner.run(stack.enter_async_context(open_redis(settings)))
        admin = runner.run(stack.enter_async_context(as_admin(settings)))
        far = runner.run(stack.enter_async_context(open_redis(settings)))
        bench = Bench(runner, Store(redis, clock), Store(far, clock), admin, clock)
        try:
            yield bench
        finally:
            bench.empty()
            runner.run(stack.aclose())
