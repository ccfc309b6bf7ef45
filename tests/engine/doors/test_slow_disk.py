"""A disk that is too slow for the append-only file is told of, while that is news."""

from collections.abc import AsyncGenerator

import pytest

from app.engine import Client, Codec, slow_disk
from app.engine.redis import keys
from tests import servers
from tests.rights import asked
from tests.servers import Server
from tests.slow_disk import SlowDisk, slow_disk_of


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    with servers.folder() as place:
        options = {"appendonly": "yes", "appendfsync": "everysec"}
        async with servers.running(servers.program("valkey"), place, **options) as running:
            yield running


@pytest.fixture
async def disk(server: Server) -> AsyncGenerator[SlowDisk]:
    async with slow_disk_of(server.settings) as opened:
        yield opened


@pytest.fixture
async def client(disk: SlowDisk, codec: Codec) -> AsyncGenerator[Client]:
    async with Client.open(disk.settings, codec) as opened:
        yield opened


async def test_a_quick_disk_is_not_worth_a_word(client: Client) -> None:
    assert await slow_disk(client) == ""
    assert await slow_disk(client) == ""


async def test_one_that_held_the_file_up_is_told_of_with_what_to_do(
    client: Client, disk: SlowDisk
) -> None:
    assert await slow_disk(client) == ""
    disk.held_up = 3

    said = await slow_disk(client)

    assert "held the append-only file up 3 times" in said
    assert "set appendfsync always" in said
    assert await slow_disk(client) == said


async def test_what_happened_before_the_last_hour_is_forgotten(
    client: Client, disk: SlowDisk
) -> None:
    disk.held_up = 3
    await slow_disk(client)
    redis = client.store.redis
    (mark,) = [key.decode() for key in await asked(redis, "KEYS", f"{keys.SLOW_SYNCS}*")]
    server, _, hour = mark.removeprefix(keys.SLOW_SYNCS).partition(":")
    await redis.set(keys.slow_syncs(server, int(hour) - 1), 2)

    once = await slow_disk(client)
    await redis.set(keys.slow_syncs(server, int(hour) - 1), 3)

    assert "held the append-only file up once" in once
    assert await slow_disk(client) == ""
    assert 0 < await redis.ttl(mark) <= 3 * 3_600


async def test_a_server_without_memory_is_still_asked(
    client: Client, server: Server, disk: SlowDisk
) -> None:
    assert await slow_disk(client) == ""
    disk.held_up = 3
    await client.store.redis.delete(*await asked(server.settings, "KEYS", f"{keys.SLOW_SYNCS}*"))
    await asked(server.settings, "CONFIG", "SET", "maxmemory", "1")

    assert "held the append-only file up 3 times" in await slow_disk(client)
    assert await asked(server.settings, "KEYS", f"{keys.SLOW_SYNCS}*") == []


async def test_a_server_without_such_a_file_has_nothing_to_tell(codec: Codec) -> None:
    with servers.folder() as place:
        async with (
            servers.running(servers.program("valkey"), place) as server,
            Client.open(server.settings, codec) as client,
        ):
            assert await slow_disk(client) == ""
            assert await asked(server.settings, "KEYS", "*") == []
