"""All keys of the engine, a few at a time: SCAN never blocks the server for long, as KEYS would."""

from collections.abc import AsyncIterator
from typing import Any

from app.engine.redis import keys
from app.engine.redis.steps import answering

_STEP = 500  # keys
_ANY_QUEUE = keys.QUEUE.rstrip(":") + "*"  # arq's own has no colon


async def names_after(redis: Any, prefix: str) -> AsyncIterator[bytes]:
    """What follows the prefix in the names of keys that begin with it; some may come twice."""
    async with answering():
        async for name in redis.scan_iter(prefix + "*", count=_STEP):
            yield bytes(name).removeprefix(prefix.encode())


async def some_names_after(redis: Any, prefix: str, place: int) -> tuple[int, list[bytes]]:
    """The same of some keys from this place on, 0 being the start; and the place after them."""
    async with answering():
        after, names = await redis.scan(place, match=prefix + "*", count=_STEP)
    return int(after), [bytes(name).removeprefix(prefix.encode()) for name in names]


async def queues(redis: Any) -> list[str]:
    """All queues by name, an arq project's among them if it is called as is usual."""
    async with answering():
        found = {name async for name in redis.scan_iter(_ANY_QUEUE, count=_STEP, _type="zset")}
    return sorted(map(_queue_name, found))


async def members(redis: Any, key: str) -> AsyncIterator[bytes]:
    """What is in a sorted set; what is moved meanwhile may come twice."""
    async with answering():
        async for member, _ in redis.zscan_iter(key, count=_STEP):
            yield member


async def parked(redis: Any) -> AsyncIterator[tuple[bytes, bytes]]:
    """Ids of parked runs, each with the note of it."""
    async with answering():
        async for id, note in redis.hscan_iter(keys.PARKED, count=_STEP):
            yield id, note


def _queue_name(key: bytes) -> str:
    name = key.decode(errors="replace")
    return name.removeprefix(keys.QUEUE) if name.startswith(keys.QUEUE) else keys.THEIRS + name
