"""What `--rights` promises."""

from pathlib import Path

import pytest

from tests.plugins.running import pytest_in

TESTS = """
import pytest
from redis.exceptions import NoPermissionError

from app.engine.redis.connection import open_redis
from tests.rights import asked, refused

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"

async def test_it(redis_settings) -> None:
    await asked(redis_settings, "SET", "another", "1")
    async with open_redis(redis_settings) as redis:
        await redis.set("steward:health", "1")
        with pytest.raises(NoPermissionError):
            await redis.get("another")
        with pytest.raises(NoPermissionError):
            await redis.flushdb()
    assert sorted(await refused(redis_settings)) == ["command: flushdb", "key: another"]
    assert await refused(redis_settings) == []

@pytest.mark.more_rights("why not")
def test_more() -> None:
    assert False
"""
OPTIONS = ("-p", "tests.plugins.rights", "-p", "app.testing", "-p", "anyio")


def test_servers_refuse_what_steward_does_not_need_and_say_so(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS, *OPTIONS, "--rights")

    assert "1 passed, 1 deselected" in done.stdout, done.stdout


@pytest.mark.tier("T2")
def test_the_processes_of_xdist_have_no_more_of_them(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS, *OPTIONS, "--rights", "-n1")

    assert "1 passed" in done.stdout, done.stdout
