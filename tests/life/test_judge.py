"""The judge of all stories finds each kind of disorder, and no other."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec
from app.engine.redis import keys
from tests.engine.jobs import write
from tests.engine.steps import buried, claim, completed, put
from tests.life.judge import judge
from tests.rights import asked


@pytest.fixture
async def client(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[Client]:
    """Of a Redis in which one run is over, one is dead, one at work and one waits."""
    async with Client.open(clean_redis, codec) as opened:
        for id in ("over", "dead", "held"):
            await put(opened, write.with_options(id=id), "")
        first, second, _ = (await claim(opened.store)).runs
        await opened.store.commit([completed(first), buried(second)])
        await put(opened, write.with_options(id="waiting"), "")
        yield opened


async def test_a_redis_in_order_is_not_blamed(client: Client) -> None:
    await client.store.redis.delete(keys.result("over"))  # not kept any longer

    await judge(client)


DISORDER: dict[str, tuple[str, tuple[Any, ...]]] = {
    "a payload lost": ("I1: run waiting", ("DEL", keys.payload("waiting"))),
    "in two places": ("I1: run over", ("ZADD", keys.queue(write.queue), 1, "over")),
    "a letter emptied": (
        "I1: run dead",
        ("HDEL", keys.dead_letter("dead"), "payload"),
    ),
    "a letter not listed": ("I1: run dead", ("ZREM", keys.DEAD, "dead")),
    "a key of nobody": ("I8: unique key", ("SET", keys.UNIQUE + "welcome", "gone|")),
}


@pytest.mark.parametrize(("said", "command"), DISORDER.values(), ids=DISORDER.keys())
async def test_disorder_is_named(client: Client, said: str, command: tuple[Any, ...]) -> None:
    await asked(client.store.redis, *command)

    with pytest.raises(AssertionError, match=said):
        await judge(client)


async def test_a_second_commit_is_named(client: Client) -> None:
    redis = client.store.redis
    entries: Any = await redis.xrange(keys.EVENTS)
    await redis.xadd(keys.EVENTS, entries[0][1])

    with pytest.raises(AssertionError, match="I4: run over was ended again"):
        await judge(client)
    await redis.delete(keys.EVENTS)


async def test_a_redis_that_is_away_can_not_be_asked(
    clean_redis: RedisSettings, codec: Codec
) -> None:
    nowhere = RedisSettings(unix_socket_path="/nowhere", conn_retries=0)
    del clean_redis
    async with Client.open(nowhere, codec) as client:
        await judge(client)
