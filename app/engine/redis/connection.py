"""Connections to Redis or Valkey, each with deadlines: a server that doesn't answer is an error."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import redis as blocking
from arq.connections import RedisSettings
from redis.asyncio import (
    BlockingConnectionPool,
    ConnectionPool,
    Redis,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.connection import AbstractConnection, Connection

from app.engine.errors import DeclarationError
from app.engine.redis import sentinel
from app.engine.redis.line import ANSWER, PUSHING, Line
from app.engine.redis.sentinel import SentinelSettings

_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_FREE = 2  # s to wait for one of the pool's connections
_CONNECTIONS = 20  # one process needs few: calls are batched


def _common(settings: RedisSettings) -> dict[str, Any]:
    """What every connection is made with, wherever it goes."""
    options = {
        "db": settings.database,
        "username": settings.username,
        "password": settings.password,
        "socket_timeout": ANSWER,
        "socket_connect_timeout": settings.conn_timeout,
    }
    return options | (_tls(settings) if settings.ssl else {})


def _tls(settings: RedisSettings) -> dict[str, Any]:
    return {
        "ssl_keyfile": settings.ssl_keyfile,
        "ssl_certfile": settings.ssl_certfile,
        "ssl_cert_reqs": settings.ssl_cert_reqs,
        "ssl_ca_certs": settings.ssl_ca_certs,
        "ssl_ca_data": settings.ssl_ca_data,
        "ssl_check_hostname": settings.ssl_check_hostname,
    }


def _where(settings: RedisSettings) -> dict[str, Any]:
    if settings.unix_socket_path:
        return {"path": settings.unix_socket_path}
    return {"host": settings.host, "port": settings.port}


class Connections(Redis):
    """redis-py's client with its pool, and beside it one line for what must be quick."""

    def __init__(self, pool: ConnectionPool, *, protocol: int = PUSHING) -> None:
        """`pool` is closed with it."""
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self.line = Line(pool, protocol=protocol)
        self.vouching = Line(
            pool, protocol=protocol, patience=2 * ANSWER
        )  # apart: it waits for disks

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the line, then the rest."""
        await self.line.aclose()
        await self.vouching.aclose()
        await super().aclose(close_connection_pool)


def make_redis(settings: RedisSettings) -> Connections:
    """Everything a process needs of one server; it connects when first used.

    Raises `DeclarationError` when a file that TLS needs can't be read.
    """
    for option in _TLS_FILES if settings.ssl else ():
        path: str | None = getattr(settings, option)
        if path and not os.access(path, os.R_OK):
            raise DeclarationError(f"{option}: {path} can't be read")
    protocol = settings.protocol if isinstance(settings, SentinelSettings) else PUSHING
    return Connections(_pool(settings), protocol=protocol)


def _pool(settings: RedisSettings) -> ConnectionPool:
    if settings.sentinel:
        return sentinel.make_pool(settings, _common(settings), size=_CONNECTIONS, wait=_FREE)
    return BlockingConnectionPool(
        connection_class=_kind(settings),
        max_connections=_CONNECTIONS,
        timeout=_FREE,
        **_common(settings),
        **_where(settings),
    )


def _kind(settings: RedisSettings) -> type[AbstractConnection]:
    if settings.unix_socket_path:
        return UnixDomainSocketConnection
    return SSLConnection if settings.ssl else Connection


@asynccontextmanager
async def open_redis(settings: RedisSettings) -> AsyncGenerator[Connections]:
    """A client whose connections are closed on the way out."""
    redis = make_redis(settings)
    try:
        yield redis
    finally:
        await redis.aclose()


def make_blocking_redis(settings: RedisSettings, answer: float = ANSWER) -> blocking.Redis:
    """A client for a thread: the lease is renewed even while a job blocks the loop.

    It waits `answer` seconds for each, and no longer than others do.
    """
    common = _common(settings)
    common["socket_timeout"] = min(answer, ANSWER)
    if settings.sentinel:
        return sentinel.make_blocking(settings, common)
    options = common | _where(settings)
    if "path" in options:
        options["unix_socket_path"] = options.pop("path")
    return blocking.Redis(**options, ssl=settings.ssl)
