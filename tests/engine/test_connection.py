"""Connections with deadlines."""

from typing import Any

import pytest
from arq.connections import RedisSettings
from redis.asyncio import Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import Connection

from app.engine.connection import make_blocking_redis, make_redis, open_redis
from tests.eventually import eventually

SETTINGS = [
    RedisSettings(unix_socket_path="/tmp/none.sock"),
    RedisSettings(host="example.com", port=7000, database=3, username="ann", password="secret"),
    RedisSettings(host="example.com", ssl=True),
]


@pytest.mark.parametrize(
    ("settings", "kind"),
    list(zip(SETTINGS, [UnixDomainSocketConnection, Connection, SSLConnection], strict=True)),
)
async def test_a_client_connects_as_the_settings_say(
    settings: RedisSettings, kind: type[Connection]
) -> None:
    pool = make_redis(settings).connection_pool

    assert pool.connection_class is kind
    assert pool.connection_kwargs["socket_timeout"] == 5
    assert pool.connection_kwargs["db"] == settings.database
    assert pool.connection_kwargs["password"] == settings.password


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_threads_client_connects_there_too(settings: RedisSettings) -> None:
    pool: Any = make_blocking_redis(settings).connection_pool
    kwargs = pool.connection_kwargs

    assert kwargs["socket_timeout"] == 5
    assert kwargs.get("path") == settings.unix_socket_path
    assert settings.unix_socket_path or kwargs["host"] == settings.host


@pytest.mark.parametrize("make", [make_redis, make_blocking_redis])
def test_a_sentinel_is_asked_for_its_master(make: object) -> None:
    settings = RedisSettings(
        host=[("one", 26379), ("two", 26379)], sentinel=True, sentinel_master="m"
    )
    client = make_redis(settings) if make is make_redis else make_blocking_redis(settings)

    pool: Any = client.connection_pool
    assert pool.service_name == "m"
    assert len(pool.sentinel_manager.sentinels) == 2


async def test_connections_are_closed_on_the_way_out(clean_redis: RedisSettings) -> None:
    async with open_redis(clean_redis) as redis:
        await redis.set("steward:health", "1")
        before = len(await redis.client_list())
        async with open_redis(clean_redis) as other:
            await other.ping()
            during = len(await redis.client_list())
        assert during == before + 1
        await eventually(lambda: _is_one_less(redis, during))


async def _is_one_less(redis: Redis, than: int) -> bool:
    return len(await redis.client_list()) == than - 1
