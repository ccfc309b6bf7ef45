"""arq's command, with our worker behind it; tests/life runs the command itself."""

import inspect
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import ArqWorker, install
from app.engine.roles.arq_worker import check_health
from tests.engine.conftest import Open
from tests.engine.jobs import write
from tests.eventually import eventually


def test_another_arq_is_refused_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r"arq 0\.27 is installed; Steward needs arq 0\.28"):
        install("0.27")


def test_our_class_takes_every_option_that_arqs_takes_and_ours() -> None:
    ours = inspect.signature(ArqWorker).parameters.keys()

    theirs = ArqWorker.__mro__[1]  # arq.worker.Worker, whatever install() has put in its place
    assert ours >= inspect.signature(theirs).parameters.keys()
    assert "open_worker" in ours


async def test_a_health_check_answers_with_what_a_live_worker_says(
    workshop: Open, clean_redis: RedisSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: Any = SimpleNamespace(redis_settings=clean_redis)
    async with workshop(write) as shop:
        before = await anyio.to_thread.run_sync(check_health, settings)
        async with shop.working() as worker:
            await eventually(lambda: shop.client.store.redis.exists("steward:alive"))
            during = await anyio.to_thread.run_sync(check_health, settings)

    said = capsys.readouterr()
    assert (before, during) == (1, 0)
    assert said.err == "no worker is alive\n"
    assert worker.id in said.out


async def test_a_health_check_without_redis_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere: Any = SimpleNamespace(redis_settings=RedisSettings(unix_socket_path="/nowhere.sock"))

    assert await anyio.to_thread.run_sync(check_health, nowhere) == 1
    said = capsys.readouterr().err
    assert said.startswith("no worker can be asked: Redis: ConnectionError")
    assert said.count("\n") == 1
