"""A server behind Sentinels: each new connection asks them who is master now.

They watch the servers, and make a replica the master when the master is gone. What was connected to
the old one is cut off, or is told READONLY, and connects again: to the new one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import redis as blocking
from arq.connections import RedisSettings
from redis import sentinel as blocking_sentinel
from redis.asyncio import BlockingConnectionPool, ConnectionPool, sentinel

Options = Mapping[str, Any]
Untyped = Callable[..., Any]  # redis-py has no types for its Sentinels


@dataclass(repr=False)
class SentinelSettings(RedisSettings):
    """Settings for Sentinels that want to be greeted with a password themselves."""

    sentinel_username: str | None = None
    sentinel_password: str | None = None


class _Pool(BlockingConnectionPool, sentinel.SentinelConnectionPool):
    """Connections to the master; those to the Sentinels are closed with them."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:  # else it is the pool itself, which found another master
            for each in _asked(self):
                await each.aclose()


class _BlockingPool(blocking_sentinel.SentinelConnectionPool):
    """The same for a thread."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        if inuse_connections:
            for each in _asked(self):
                each.close()


def _asked(pool: Any) -> list[Any]:
    """The clients of the Sentinels."""
    clients: list[Any] = pool.sentinel_manager.sentinels
    return clients


def make_pool(settings: RedisSettings, options: Options, *, size: int, wait: int) -> ConnectionPool:
    """Up to `size` connections to whoever is master; `options` are those of each connection."""
    manager: Untyped = sentinel.Sentinel
    kinds = sentinel.SentinelManagedSSLConnection, sentinel.SentinelManagedConnection
    return _Pool(
        service_name=settings.sentinel_master,
        sentinel_manager=manager(settings.host, sentinel_kwargs=_to_ask(settings, options)),
        connection_class=kinds[0] if settings.ssl else kinds[1],
        max_connections=size,
        timeout=wait,
        **options,
    )


def make_blocking(settings: RedisSettings, options: Options) -> blocking.Redis:
    """A thread's client of whoever is master."""
    manager: Untyped = blocking_sentinel.Sentinel
    pool: Untyped = _BlockingPool
    sentinels = manager(settings.host, sentinel_kwargs=_to_ask(settings, options))
    master = pool(settings.sentinel_master, sentinels, ssl=settings.ssl, **options)
    return blocking.Redis.from_pool(master)


def _to_ask(settings: RedisSettings, options: Options) -> dict[str, Any]:
    """How to connect to a Sentinel: as to the master, but for login and database."""
    chosen = {name: each for name, each in options.items() if name.startswith(("socket_", "ssl_"))}
    if isinstance(settings, SentinelSettings):
        chosen |= {"username": settings.sentinel_username, "password": settings.sentinel_password}
    return chosen | {"ssl": settings.ssl}
