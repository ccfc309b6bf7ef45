"""A home's Valkey: shared, adopted, stopped by the last, and never losing what it was given."""

import os
import signal
from pathlib import Path

import anyio
import pytest
from arq.connections import ArqRedis, RedisSettings, create_pool

from app.local.errors import HomeUnusable, ServerFailed, ServerSilent
from app.local.lock import Lock
from app.local.valkey import open_valkey
from tests.local.conftest import User, server_pid


async def test_the_server_lives_while_it_is_used(home: Path) -> None:
    async with open_valkey(home) as settings:
        answer = await _get(settings, "nothing")
        lived = _lives(home)

    assert (answer, lived) == (None, True)
    assert not _lives(home)
    assert not (home / "valkey.sock").exists()


async def test_data_is_there_the_next_time(home: Path) -> None:
    async with open_valkey(home) as settings:
        await _set(settings, "name", "Ann")

    async with open_valkey(home) as settings:
        found = await _get(settings, "name")

    assert found == b"Ann"


async def test_the_server_listens_nowhere_else_and_refuses_to_forget(home: Path) -> None:
    async with open_valkey(home) as settings, await create_pool(settings) as redis:
        said: dict[str, str] = {}
        for name in ("port", "appendonly", "appendfsync", "maxmemory-policy", "save"):
            said |= await redis.config_get(name)
        mode = (home / "valkey.sock").stat().st_mode & 0o777

    assert said == {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
    }
    assert mode == 0o700


async def test_the_first_process_leaves_and_the_server_stays_for_the_second(
    home: Path, user: User
) -> None:
    async with user():
        first = server_pid(home)
        async with user():
            pass

        assert server_pid(home) == first
        assert _lives(home)

    assert not _lives(home)


async def test_the_starter_leaves_first(home: Path, user: User) -> None:
    async with user() as starter:
        async with open_valkey(home) as settings:
            await _set(settings, "name", "Ann")
            assert starter.stdin
            await starter.stdin.aclose()
            with anyio.fail_after(20):
                await starter.wait()

            assert await _get(settings, "name") == b"Ann"


async def test_an_orphan_is_adopted(home: Path, user: User) -> None:
    async with user() as starter:
        orphan = server_pid(home)
        starter.kill()
        with anyio.fail_after(20):
            await starter.wait()

    async with open_valkey(home):
        adopted = server_pid(home)

    assert adopted == orphan
    assert not _lives(home)


async def test_five_at_once_share_one_server(home: Path, user: User) -> None:
    pids: list[int] = []

    async def come_and_go() -> None:
        async with user():
            pids.append(server_pid(home))

    async with open_valkey(home), anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(come_and_go)

    assert len(pids) == 5
    assert len(set(pids)) == 1
    assert not _lives(home)


async def test_coming_and_going_at_once_never_meets_a_dead_server(home: Path) -> None:
    async def come_and_go(name: str) -> None:
        for turn in range(5):
            async with open_valkey(home) as settings:
                await _set(settings, name, str(turn))

    async with anyio.create_task_group() as group:
        for name in "abcd":
            group.start_soon(come_and_go, name)

    async with open_valkey(home) as settings:
        assert [await _get(settings, name) for name in "abcd"] == [b"4"] * 4


async def test_a_killed_server_is_started_again_with_its_data(home: Path, user: User) -> None:
    async with open_valkey(home) as settings:
        await _set(settings, "name", "Ann")
        killed = server_pid(home)
        os.kill(killed, signal.SIGKILL)
        await _until_dead(home)

        async with user():
            assert server_pid(home) != killed
            assert await _get(settings, "name") == b"Ann"


async def test_a_server_that_will_not_go_is_killed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.local.server.ENDING", 0.2)

    async with open_valkey(home):
        os.kill(server_pid(home), signal.SIGSTOP)

    assert not _lives(home)


async def test_a_cancelled_user_still_stops_the_server(home: Path) -> None:
    with anyio.CancelScope() as scope:
        async with open_valkey(home):
            scope.cancel()
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert not _lives(home)


async def test_a_home_with_a_long_path_works(home: Path) -> None:
    deep = home / ("a" * 60) / ("b" * 60)

    async with open_valkey(deep) as settings:
        await _set(settings, "name", "Ann")
        place = Path(settings.unix_socket_path or "")

    place.parent.rmdir()
    assert len(str(place)) < 100
    assert not _lives(deep)


async def test_a_damaged_file_is_told_in_one_line(home: Path) -> None:
    async with open_valkey(home) as settings:
        await _set(settings, "name", "Ann")
    for file in (home / "valkey" / "appendonlydir").glob("*.incr.aof"):
        file.write_bytes(b"no such thing\n" + file.read_bytes())

    with pytest.raises(ServerFailed) as failed:
        async with open_valkey(home):
            pass

    assert "Bad file format" in str(failed.value)
    assert str(failed.value).endswith(f"(log: {home}/logs/valkey.log)")


async def test_a_silent_server_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_valkey(home):
        frozen = server_pid(home)
        os.kill(frozen, signal.SIGSTOP)
        monkeypatch.setattr("app.local.server.STARTING", 0.2)

        with pytest.raises(ServerSilent, match=f"process {frozen}"):
            async with open_valkey(home):
                pass

        os.kill(frozen, signal.SIGCONT)


async def test_a_home_that_cannot_be_written_is_refused(home: Path) -> None:
    (home / "file").touch()

    with pytest.raises(HomeUnusable, match=r"cannot keep data in .*/file/home: Not a directory"):
        async with open_valkey(home / "file" / "home"):
            pass


def _lives(home: Path) -> bool:
    with Lock(home / "server.lock") as lock:
        return not lock.take()


async def _until_dead(home: Path) -> None:
    with Lock(home / "server.lock") as lock:
        await lock.wait(10)


async def _set(settings: RedisSettings, name: str, value: str) -> None:
    async with await create_pool(settings) as redis:
        await redis.set(name, value)


async def _get(settings: RedisSettings, name: str) -> object:
    async with await create_pool(settings) as redis:
        return await _value(redis, name)


async def _value(redis: ArqRedis, name: str) -> object:
    found: object = await redis.get(name)
    return found
