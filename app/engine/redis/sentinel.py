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
from redis.exceptions import AuthenticationError, RedisError, ResponseError

Options = Mapping[str, Any]
Untyped = Callable[..., Any]  # redis-py has no types for its Sentinels
Address = tuple[str, int]


@dataclass(repr=False)
class SentinelSettings(RedisSettings):
    """Settings for Sentinels that want to be greeted with a password themselves.

    `protocol` is for every server: 2 where something in between knows no RESP3.
    """

    sentinel_username: str | None = None
    sentinel_password: str | None = None
    protocol: int = 3


class _Sentinels(sentinel.Sentinel):
    """Asks one after the other; who can't be asked is passed over."""

    async def discover_master(self, service_name: str) -> Address:
        refusals = dict[str, RedisError]()
        for client in list[Any](self.sentinels):
            try:
                known = await client.sentinel_masters()
            except RedisError as error:
                refusals[_place(client)] = error
                continue
            if address := _found(self, client, known.get(service_name)):
                return address
        raise sentinel.MasterNotFoundError(_in_vain(self, service_name, refusals))


class _BlockingSentinels(blocking_sentinel.Sentinel):
    """The same for a thread."""

    def discover_master(self, service_name: str) -> Address:
        refusals = dict[str, RedisError]()
        for client in list[Any](self.sentinels):
            try:
                known = client.sentinel_masters()
            except RedisError as error:
                refusals[_place(client)] = error
                continue
            if address := _found(self, client, known.get(service_name)):
                return address
        raise blocking_sentinel.MasterNotFoundError(_in_vain(self, service_name, refusals))


def _found(manager: Any, client: Any, state: Any) -> Address | None:
    """Where the master is, if this Sentinel knows one that lives; it is asked first from now on."""
    if not state or not manager.check_master_state(state, state["name"]):
        return None
    manager.sentinels.remove(client)
    manager.sentinels.insert(0, client)
    return state["ip"], state["port"]


def _place(client: Any) -> str:
    options = client.connection_pool.connection_kwargs
    return f"{options['host']}:{options['port']}"


def _in_vain(manager: Any, master: str, refusals: Mapping[str, RedisError]) -> str:
    """What to say when none helped; that one is out of reach is said by saying that none did."""
    asked = ", ".join(map(_place, manager.sentinels))
    odd = (_odd(place, error) for place, error in refusals.items())
    said = ", ".join(filter(None, odd))
    return f"no Sentinel of {asked} answers or knows a master {master!r}" + (said and f": {said}")


def _odd(place: str, error: RedisError) -> str:
    if isinstance(error, ResponseError) and "unknown command" in str(error):
        return f"{place} is no Sentinel"
    is_told = isinstance(error, ResponseError | AuthenticationError)
    return f"{place} says: {error}" if is_told else ""


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
    manager: Untyped = _Sentinels
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
    manager: Untyped = _BlockingSentinels
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
