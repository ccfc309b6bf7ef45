"""What `--way` promises."""

from pathlib import Path

import pytest

from tests.plugins import ways as plugin
from tests.plugins.running import ROOT, pytest_in
from tests.ways import Way

TESTS = """
from dataclasses import replace

import pytest

from app.engine.redis.connection import open_redis
from tests.rights import asked
from tests.ways import at, url_of

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"

async def test_it(clean_redis) -> None:
    url = url_of(clean_redis)
    async with open_redis(at(url)) as redis:
        await redis.set("steward:health", "1")
    filled = [*await asked(clean_redis, "INFO", "keyspace")]
    print("it is", url.partition("://")[0], *filled, await asked(clean_redis, "INFO", "server"))

@pytest.mark.parametrize("key", ["else", "arq:job:1"])
async def test_strange(clean_redis, key) -> None:
    other = replace(clean_redis, database=5) if key.startswith("arq:") else clean_redis
    await asked(other, "SET", key, "1")

@pytest.mark.not_by("db", "tls", why="why not")
def test_never() -> None:
    assert False
"""
OPTIONS = ("tests.plugins.ways", "app.testing", "tests.conftest", "anyio")
LEFT_OUT = 15
"""How many tests, or groups of them, some way is too narrow for."""


def by(way: str, folder: Path) -> str:
    """What pytest says of it."""
    plugins = (word for name in OPTIONS for word in ("-p", name))
    return pytest_in(folder, TESTS, *plugins, "-s", f"--way={way}").stdout


def test_every_server_is_reached_so_and_a_strange_key_is_a_failure(tmp_path: Path) -> None:
    said = by("db", tmp_path)

    assert "it is redis db3 {" in said, said
    assert "AssertionError: assert ['else in database 3'] == []" in said
    assert "AssertionError: assert ['arq:job:1 in database 5'] == []" in said
    assert "3 passed, 1 deselected" in said
    assert "\nway db: 3 passed, 2 error\n" in said


@pytest.mark.tier("T2")
@pytest.mark.parametrize("way", [*Way])
def test_each_way_is_another(way: Way, tmp_path: Path) -> None:
    said = by(way, tmp_path)

    database = 3 if way is Way.DATABASE else 0
    scheme = {Way.SOCKET: "unix", Way.TLS: "rediss"}.get(way, "redis")
    assert f"it is {scheme} db{database} {{" in said, said
    assert ("valkey_version" in said) is not way.takes_redis


def test_the_option_takes_all_of_them() -> None:
    assert (*Way,) == plugin.WAYS


def test_few_tests_are_left_out() -> None:
    files = [path for room in ("engine", "life") for path in (ROOT / "tests" / room).rglob("*.py")]

    assert sum(path.read_text().count("mark.not_by(") for path in files) == LEFT_OUT
