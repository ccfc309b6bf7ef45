"""Effects in the database, whose leases are in Redis: who has lost one begins nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from app.engine import REPEAT, Attempt, Client, Clock, Codec, Effect, EffectState, LeaseLost, Place
from app.engine.books import Books
from app.engine.redis import keys
from app.engine.redis.book import RedisShelf
from app.storage.database import Database
from app.storage.effects import Effects

RUN = "run-of-two"


class Overtaken(Effects):
    """Somebody else comes in between, just before the first line is written."""

    meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def swap(
        self, place: Place, known: Effect | None, then: Effect | None, *, lease: str
    ) -> Effect | None:
        """The same, a little later."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await super().swap(place, known, then, lease=lease)


async def test_who_loses_the_lease_as_it_begins_does_not_take_the_effect_from_the_next(
    database: Database, client: Client, codec: Codec, attempt: Attempt
) -> None:
    effects = Overtaken(database)
    books = Books(
        effects, RedisShelf(client.store, codec), now_ms=Clock().now_ms, is_at_work=lambda _: True
    )
    first = replace(attempt, run_id=RUN, number=1, worker="first", books=books)
    second = replace(first, number=2, worker="second")
    sent, begun, gate = list[str](), anyio.Event(), anyio.Event()

    async def claim(who: Attempt) -> None:
        await client.store.redis.set(keys.lease(RUN), who.lease, ex=60)

    async def send(who: Attempt) -> str:
        sent.append(who.worker)
        begun.set()
        await gate.wait()
        return who.worker

    async def go_on() -> None:
        assert await second.once("hi", send, second, in_doubt=REPEAT) == "second"

    async with anyio.create_task_group() as group:

        async def overtake() -> None:
            await claim(second)
            group.start_soon(go_on)
            await begun.wait()

        await claim(first)
        effects.meanwhile = overtake
        with anyio.fail_after(20), pytest.raises(LeaseLost):
            await first.once("hi", send, first, in_doubt=REPEAT)
        gate.set()

    (effect,) = await effects.of_run(RUN)
    assert sent == ["second"]
    assert (effect.state, effect.worker) == (EffectState.DONE, "second")
