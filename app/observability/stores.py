"""The two that keep everything, as parts of the health check: written to, and read."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import timedelta
from secrets import token_hex
from time import monotonic

from app.engine import Client, Fitness, examine, slow_disk
from app.engine.redis.keys import HEALTH
from app.services.health_report import Level, Part, Thresholds, answered
from app.storage.database import Database

_KEY_LIVES = timedelta(minutes=1)  # should nobody come to delete it


async def database(
    database: Database, write: Callable[[], Awaitable[object]], limits: Thresholds
) -> Part:
    """The database, which is to take what `write` writes."""
    started = monotonic()
    await write()
    await database.ping()
    return answered("database", monotonic() - started, "written to and read", limits)


async def redis(client: Client, limits: Thresholds, *, accepted: Collection[str] = ()) -> Part:
    """Redis: whether it gives back what it takes, and can be trusted with runs."""
    started = monotonic()
    await client.ping()
    await _write_and_read(client)
    part = answered("redis", monotonic() - started, "pinged, written to and read", limits)
    part = _judged(part, await examine(client), accepted)
    return _warned(part, await slow_disk(client))


async def _write_and_read(client: Client) -> None:
    redis, token = client.store.redis, token_hex(8)
    key = f"{HEALTH}:{token}"
    await redis.set(key, token, px=_KEY_LIVES)
    if await redis.getdel(key) != token.encode():
        raise ConnectionError("it did not give back what it was given")


def _judged(part: Part, fitness: Fitness, accepted: Collection[str]) -> Part:
    """A server that a worker would refuse is unhealthy; what was accepted is told, too."""
    known = (each.flaw for each in fitness.objections if each.flaw in accepted)
    if names := ", ".join(known):
        part = replace(part, line=f"{part.line}; accepted: {names}")
    if refused := fitness.beyond(accepted):
        lines = "; ".join(each.line for each in refused)
        return replace(part, level=Level.UNHEALTHY, line=f"{part.line}; {lines}")
    return part


def _warned(part: Part, warning: str) -> Part:
    if not warning:
        return part
    level = Level.worst((part.level, Level.DEGRADED))
    return replace(part, level=level, line=f"{part.line}; {warning}")
