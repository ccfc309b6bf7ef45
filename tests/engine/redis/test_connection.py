"""Connections with deadlines."""

from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings
from redis.asyncio import SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError

from app.engine import DeclarationError
from app.engine.redis.connection import make_blocking_redis, make_redis, open_redis
from app.engine.redis.line import ANSWER
from tests import servers
from tests.eventually import eventually
from tests.rights import as_admin

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
    assert pool.connection_kwargs["socket_timeout"] == ANSWER
    assert pool.connection_kwargs["db"] == settings.database
    assert pool.connection_kwargs["password"] == settings.password


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_threads_client_connects_there_too(settings: RedisSettings) -> None:
    pool: Any = make_blocking_redis(settings).connection_pool
    kwargs = pool.connection_kwargs

    assert kwargs["socket_timeout"] == ANSWER
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


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_for_tls_that_cannot_be_read_is_named_by_its_option(option: str) -> None:
    missing: Any = {option: "/none/file.pem"}

    with pytest.raises(DeclarationError, match=f"^{option}: /none/file.pem can't be read$"):
        make_redis(RedisSettings(ssl=True, **missing))


async def test_when_no_sentinel_helps_it_is_said_which_were_asked() -> None:
    said = "no Sentinel of localhost:1, localhost:2 answers or knows a master 'mine'"

    assert await _refusals(("localhost", 1), ("localhost", 2)) == [said, said]


async def test_a_server_that_is_no_sentinel_is_named() -> None:
    with servers.folder() as place:
        async with servers.running(servers.program("valkey"), place) as server:
            refusals = await _refusals(("localhost", 1), ("127.0.0.1", server.port))

    asked = f"no Sentinel of localhost:1, 127.0.0.1:{server.port} answers or knows a master 'mine'"
    assert refusals == [f"{asked}: 127.0.0.1:{server.port} is no Sentinel"] * 2


@pytest.mark.not_by("redis", "tls", why="it names the unknown command first")
async def test_a_sentinel_that_wants_another_password_is_named() -> None:
    with servers.folder() as place:
        started = servers.running(servers.program("valkey"), place, requirepass="other")
        async with started as server:
            refusals = await _refusals(("127.0.0.1", server.port))

    assert all(f": 127.0.0.1:{server.port} says: " in each for each in refusals), refusals


async def _refusals(*sentinels: tuple[str, int]) -> list[str]:
    """What a client says that asks these for their master, and what a thread's says."""
    settings = RedisSettings(host=[*sentinels], sentinel=True, sentinel_master="mine")
    async with open_redis(settings) as redis:
        with pytest.raises(RedisError) as refused:
            await redis.line.call("PING")
    with make_blocking_redis(settings) as blocking, pytest.raises(RedisError) as refused_too:
        await anyio.to_thread.run_sync(lambda: bool(blocking.ping()))
    return [str(refused.value), str(refused_too.value)]


async def test_connections_are_closed_on_the_way_out(clean_redis: RedisSettings) -> None:
    async with as_admin(clean_redis) as admin:
        before = len(await admin.client_list())
        async with open_redis(clean_redis) as other:
            await other.ping()
            during = len(await admin.client_list())
        assert during == before + 1
        await eventually(lambda: _is_one_less(admin, during))


async def _is_one_less(redis: Any, than: int) -> bool:
    return len(await redis.client_list()) == than - 1
