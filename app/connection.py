"""The way to the queues: a server, a key to sign with, a client. And where the database is.

There are no services here, so it opens quickly.

Whoever wants more than the queues opens it by app.context, which has these names too.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from arq.connections import RedisSettings

from app.engine import Client, Codec, Job, SentinelSettings
from app.local.home import prepare_home
from app.local.signing import signing_key
from app.local.socket import socket_path
from app.local.valkey import open_valkey
from app.queues import NAMES
from app.settings import RedisUrl, Settings, parse_redis_url


def redis_at(settings: Settings) -> RedisSettings:
    """Where the server is or would be; starts nothing."""
    url = settings.redis.url
    if url is not None:
        return _settings_of(parse_redis_url(url.get_secret_value()))
    return RedisSettings(unix_socket_path=str(socket_path(settings.home.resolve())))


def _settings_of(url: RedisUrl) -> RedisSettings:
    return SentinelSettings(
        **_place_of(url),
        database=url.database,
        username=url.username,
        password=url.password,
        ssl=url.is_tls,
        ssl_keyfile=url.ssl_keyfile,
        ssl_certfile=url.ssl_certfile,
        ssl_cert_reqs="required" if url.ssl_cert_reqs else "none",
        ssl_ca_certs=url.ssl_ca_certs,
        ssl_check_hostname=url.is_tls and url.ssl_cert_reqs and url.ssl_check_hostname,
        sentinel_username=url.sentinel_username,
        sentinel_password=url.sentinel_password,
        protocol=url.protocol,
    )


def _place_of(url: RedisUrl) -> dict[str, Any]:
    if url.socket:
        return {"unix_socket_path": url.socket}
    if url.master:
        return {"host": list(url.hosts), "sentinel": True, "sentinel_master": url.master}
    ((host, port),) = url.hosts
    return {"host": host, "port": port}


def database_at(settings: Settings) -> Path | str:
    """The home's file, or the URL of a PostgreSQL: what `Database.open` takes."""
    url = settings.database.url
    return settings.home / "steward.db" if url is None else url.get_secret_value()


@asynccontextmanager
async def open_redis(settings: Settings) -> AsyncGenerator[RedisSettings]:
    """The server of the settings' URL, or the home's own Valkey for as long as it is needed."""
    if settings.redis.url is not None:
        yield redis_at(settings)
    else:
        async with open_valkey(settings.home) as redis:
            yield redis


def make_codec(settings: Settings) -> Codec:
    """Signs with the settings' keys, or with the home's own."""
    return Codec(own_keys(settings))


def own_keys(settings: Settings) -> list[bytes]:
    """The secrets that Steward shares with nobody; the first is the one in use."""
    keys = [key.get_secret_value().encode() for key in settings.signing.keys]
    return keys or [signing_key(prepare_home(settings.home))]


@asynccontextmanager
async def open_client(
    settings: Settings, *, jobs: Mapping[str, Job[Any, ..., Any]] | None = None
) -> AsyncGenerator[Client]:
    """A client for application code: enqueue, look up, cancel.

    With `jobs`, any other job is refused, and results found by id have their types.
    """
    async with open_redis(settings) as redis, client_at(redis, settings, jobs=jobs) as client:
        yield client


def client_at(
    redis: RedisSettings, settings: Settings, *, jobs: Mapping[str, Job[Any, ..., Any]] | None
) -> AbstractAsyncContextManager[Client]:
    """The same, of a server that somebody else keeps open."""
    return Client.open(
        redis,
        make_codec(settings),
        jobs=jobs,
        queues=NAMES,
        room=settings.queues.room,
        patience=settings.redis.patience,
    )
