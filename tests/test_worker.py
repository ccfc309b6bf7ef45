"""The worker with everything around it: opened once, closed again, whatever happens between."""

import asyncio
import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from app.context import open_client
from app.engine import Client, DeclarationError, Over
from app.jobs import JOBS
from app.jobs.maintenance import system_health_check
from app.local.home import USERS_LOCK
from app.local.lock import Lock
from app.queues import EMAIL, FILES, NAMES
from app.settings import Settings
from app.storage.database import Database
from app.storage.errors import UnusableDatabase
from app.storage.runs import Runs
from app.worker import open_worker, worker_options
from tests.eventually import eventually
from tests.local.conftest import server_pid
from tests.scratch_home import Given, scratch_folder

LONG = 30  # s; a deadline, not a time anything takes


class Open(NamedTuple):
    """How many of each there are in this process."""

    tasks: int
    threads: int
    files: int


@pytest.fixture
def settings() -> Generator[Settings]:
    """Settings of a home that isn't there yet."""
    with scratch_folder("worker-") as folder:
        yield Given(home=folder / "home")


async def test_a_worker_runs_what_a_client_of_the_same_home_enqueues(settings: Settings) -> None:
    heard: list[Over] = []
    async with open_client(settings, jobs=JOBS) as client:
        handle = await client.enqueue(system_health_check)

        with anyio.fail_after(LONG):
            async with open_worker(settings, burst=True, heard=heard.append) as worker:
                await worker.run()

        report = await handle.result()
    assert [over.run.id for over in heard] == [handle.id]
    assert {"database", "redis", "workers"} <= {part.name for part in report.parts}


async def test_all_that_was_opened_is_closed_again(settings: Settings) -> None:
    during: list[Open] = []
    async with open_client(settings, jobs=JOBS) as client:
        await client.enqueue(system_health_check)
        connections, before = await _connections(client), _open()

        with anyio.fail_after(LONG):
            async with open_worker(
                settings, burst=True, heard=lambda _: during.append(_open())
            ) as worker:
                await worker.run()

        await eventually(lambda: _is_closed(before))
        await eventually(lambda: _has(client, connections))
        assert during[0].tasks > before.tasks
        assert during[0].threads > before.threads
        assert during[0].files > before.files


async def test_a_service_that_cannot_open_closes_those_before_it(settings: Settings) -> None:
    (settings.home / "steward.db").mkdir(parents=True)
    before = _open()

    with pytest.raises(UnusableDatabase):
        async with open_worker(settings):
            pytest.fail("it must not open")

    await eventually(lambda: _is_closed(before))
    _is_left(settings.home)


async def test_a_failure_while_it_works_closes_everything(settings: Settings) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_worker(settings):
            raise ZeroDivisionError

    _is_left(settings.home)


async def test_the_recorder_is_the_workers_unless_the_settings_say_otherwise(
    settings: Settings,
) -> None:
    process = settings.worker.model_copy(update={"recorder": False})
    without = settings.model_copy(update={"worker": process})

    recorded = [await _recorded(each) for each in (without, settings)]

    assert recorded == [0, 2]


async def test_a_worker_serves_the_queues_it_is_given_the_urgent_first(settings: Settings) -> None:
    async with (
        open_worker(settings, queues=(FILES, EMAIL)) as worker,
        anyio.create_task_group() as group,
    ):
        group.start_soon(worker.run)
        async with open_client(settings) as client:
            (seen,) = await eventually(client.workers)
            assert seen.queues == (EMAIL, FILES)
        worker.stop()


def test_the_queues_are_in_the_order_of_their_urgency() -> None:
    assert NAMES == ("ai", "sms", "sync", "email", "files", "maintenance")


async def test_a_queue_that_nobody_declared_is_refused(settings: Settings) -> None:
    with pytest.raises(DeclarationError, match="no queue is called 'celery'; there are ai, sms"):
        async with open_worker(settings, queues=("ai", "celery")):
            pytest.fail("it must not open")

    assert not settings.home.exists()


async def test_a_limit_for_a_queue_that_nobody_declared_is_refused(settings: Settings) -> None:
    limited = settings.worker.model_copy(update={"limits": {"celery": 1}})

    with pytest.raises(DeclarationError, match="STEWARD_WORKER__LIMITS: no queue is called"):
        async with open_worker(settings.model_copy(update={"worker": limited})):
            pytest.fail("it must not open")


def test_each_setting_of_a_worker_reaches_the_engine(settings: Settings) -> None:
    changed = settings.worker.model_copy(update={"concurrency": 7, "accept_plain": True})
    options = worker_options(settings.model_copy(update={"worker": changed}), burst=True)

    for name in set(type(settings.worker).model_fields) - {"processes", "recorder", "open_within"}:
        assert getattr(options, name) == getattr(changed, name)
    assert options.burst


async def _recorded(settings: Settings) -> int:
    """Run one job; how many runs the history has then."""
    async with open_client(settings) as client:
        await client.enqueue(system_health_check)
        with anyio.fail_after(LONG):
            async with open_worker(settings, burst=True) as worker:
                await worker.run()
        async with Database.open(settings.home / "steward.db") as database:
            return len(await Runs(database).list())


def _open() -> Open:
    """Count what is open; anyio keeps its idle threads for the next call, and they are its own."""
    threads = [each for each in threading.enumerate() if "AnyIO" not in each.name]
    return Open(len(asyncio.all_tasks()), len(threads), len(os.listdir("/dev/fd")))


async def _is_closed(before: Open) -> bool:
    """Whether no more is open; a database's thread says goodbye a moment before it ends."""
    return _open() == before


async def _connections(client: Client) -> int:
    return len(await client.store.redis.client_list())


async def _has(client: Client, connections: int) -> bool:
    return await _connections(client) == connections


def _is_left(home: Path) -> None:
    """Nobody uses the home any more, and its Valkey is gone."""
    with pytest.raises(FileNotFoundError):
        server_pid(home)
    with Lock(home / USERS_LOCK) as users:
        assert users.take()
