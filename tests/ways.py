"""Every way to a server: `--way` makes one of them the way that all tests come.

Without it the session's Valkey is reached by its socket, and so are those of homes; what a test has
started for itself, by TCP. In each of them there are no keys but Steward's, in no database but one:
that is looked at in the end, where there is a way.
"""

import os
import ssl
from dataclasses import replace
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from arq.connections import RedisSettings

from app.connection import redis_at
from app.engine import SentinelSettings
from tests.plugins.ways import VARIABLE
from tests.rights import as_admin
from tests.scratch_home import Given
from tests.services.mail.capture import CERTIFICATE

OURS = (b"arq:", b"steward:")
_HOST, _DATABASE = "127.0.0.1", 3


class Way(StrEnum):
    """What is special; the rest is as usual: TCP, database 0, RESP3, the Valkey we bring."""

    SOCKET = "socket"
    TLS = "tls"
    DATABASE = "db"
    RESP2 = "resp2"
    RESP3 = "resp3"
    REDIS = "redis"

    @property
    def takes_redis(self) -> bool:
        """Whether the server is the machine's Redis: the Valkey we bring knows no TLS."""
        return self in {Way.REDIS, Way.TLS}


class Reachable(Protocol):
    """A server."""

    @property
    def port(self) -> int:
        """For TCP."""
        ...

    @property
    def tls_port(self) -> int:
        """For TLS, or 0."""
        ...

    @property
    def nearby(self) -> RedisSettings:
        """Its socket."""
        ...


def way() -> Way | None:
    """The one asked for."""
    return Way(name) if (name := os.environ.get(VARIABLE)) else None


def to(server: Reachable) -> RedisSettings:
    """How the tests reach it."""
    usual = RedisSettings(host=_HOST, port=server.port)
    match way():
        case Way.SOCKET:
            return server.nearby
        case Way.TLS if server.tls_port:
            return by_tls(server)
        case Way.DATABASE:
            return replace(usual, database=_DATABASE)
        case Way.RESP2 | Way.RESP3 as asked:
            protocol = int(asked.removeprefix("resp"))
            return SentinelSettings(host=_HOST, port=server.port, protocol=protocol)
        case _:
            return usual


def by_tls(server: Reachable) -> RedisSettings:
    """TLS, the server's certificate and name checked."""
    return RedisSettings(
        host="localhost",
        port=server.tls_port,
        ssl=True,
        ssl_ca_certs=str(CERTIFICATE),
        ssl_check_hostname=True,
    )


def at(url: str) -> RedisSettings:
    """Where it leads, as Steward reads it."""
    return redis_at(Given.model_validate({"redis": {"url": url}}))


def url_of(redis: RedisSettings) -> str:
    """The same as one writes it in `STEWARD_REDIS__URL`."""
    options: dict[str, Any] = {"db": redis.database}
    if isinstance(redis, SentinelSettings):
        options["protocol"] = redis.protocol
    if redis.ssl and redis.ssl_ca_certs:
        options["ssl_ca_certs"] = redis.ssl_ca_certs
    login = f"{redis.username or ''}:{quote(redis.password, '')}@" if redis.password else ""
    if path := redis.unix_socket_path:
        return f"unix://{login}{path}?{urlencode(options)}"
    scheme = "rediss" if redis.ssl else "redis"
    return f"{scheme}://{login}{redis.host}:{redis.port}?{urlencode(options)}"


def greeter() -> ssl.SSLContext:
    """How a server of the tests speaks TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


def guest() -> ssl.SSLContext:
    """How one comes to it."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


async def strange_keys(redis: RedisSettings) -> list[str]:
    """What should not be on this server: keys that are not Steward's, or in other databases."""
    async with as_admin(redis) as anybody:
        filled: list[str] = [*await anybody.info("keyspace")]
    found = list[str]()
    for name in filled:
        number = int(name.removeprefix("db"))
        async with as_admin(replace(redis, database=number)) as anybody:
            for key in [each async for each in anybody.scan_iter(count=1_000)]:
                if number != redis.database or not key.startswith(OURS):
                    found.append(f"{key.decode(errors='replace')} in database {number}")
    return sorted(found)
