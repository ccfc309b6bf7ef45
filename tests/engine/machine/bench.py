"""The real store on a real server, for steps that are not async: each is carried out to its end."""

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, TypeVar

from arq.connections import RedisSettings

from app.engine import ManualClock
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from tests.engine.machine.picture import READ, Picture, read
from tests.rights import as_admin

T = TypeVar("T")


class Bench:
    """One connection, one loop, one clock that moves when told to."""

    def __init__(
        self, runner: asyncio.Runner, store: Store, admin: Any, clock: ManualClock
    ) -> None:
        self._runner = runner
        self.store = store
        self._admin = admin
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

    def empty(self) -> None:
        """Begin again with nothing."""
        self.do(self._admin.flushdb())
        self.clock.offset *= 0


async def _awaited(step: Awaitable[T]) -> T:
    return await step


@contextmanager
def open_bench(settings: RedisSettings) -> Generator[Bench]:
    """A bench at this server, which is empty again in the end."""
    with asyncio.Runner() as runner:
        stack, clock = AsyncExitStack(), ManualClock()
        redis = runner.run(stack.enter_async_context(open_redis(settings)))
        admin = runner.run(stack.enter_async_context(as_admin(settings)))
        bench = Bench(runner, Store(redis, clock), admin, clock)
        try:
            yield bench
        finally:
            bench.empty()
            runner.run(stack.aclose())
