"""What happens in Redis ends up in the history, once, whoever dies or is away in between."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from arq.connections import RedisSettings
from sqlalchemy import text

from app.engine import (
    Batch,
    Client,
    Codec,
    Ending,
    Events,
    Fixed,
    Worker,
    WorkerOptions,
    by_name,
    hours,
    job,
    seconds,
)
from app.engine.redis import keys as redis_keys
from app.local.server import Server
from app.local.valkey import open_valkey
from app.observability.recorder import Recorder
from app.storage.database import Database
from app.storage.runs import Runs
from tests.eventually import eventually
from tests.rights import asked

AT_ONCE = timedelta(milliseconds=1)


@job(name="test.wait", queue="idle")
async def wait(_ctx: None) -> None:
    """Never run here: each of these is cancelled, which makes one event."""


tried: list[int] = []


@job(name="test.stumble", queue="default", retry=Fixed(timedelta(0), attempts=2))
async def stumble(_ctx: None) -> None:
    """Fail once."""
    tried.append(1)
    if len(tried) == 1:
        raise OSError("no route")


async def happen(client: Client, *ids: str) -> None:
    """Make one event for a run of each of these ids, each in an entry of its own."""
    for run_id in ids:
        handle = await client.enqueue(wait.with_options(id=run_id, delay=hours(1)))
        assert await handle.cancel()


@asynccontextmanager
async def at_work(recorder: Recorder) -> AsyncGenerator[None]:
    """The recorder runs while the block lasts."""
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.run)
        yield
        group.cancel_scope.cancel()


@pytest.fixture
def runs(database: Database) -> Runs:
    return Runs(database)


@pytest.fixture
def events(client: Client) -> Events:
    return Events(client.store)


@pytest.fixture
def recorder(events: Events, runs: Runs) -> Recorder:
    return Recorder(events, runs, lease=seconds(1))


async def recorded(runs: Runs) -> list[str]:
    """The ids in the history, in order of the alphabet."""
    return sorted(run.id for run in await runs.list())


async def test_what_happened_is_recorded(client: Client, recorder: Recorder, runs: Runs) -> None:
    await happen(client, "a")

    await recorder.drain()

    run = await runs.get("a")
    assert (run.job, run.queue, run.status) == ("test.wait", "idle", Ending.CANCELLED)
    assert await runs.gaps() == ()


async def test_a_retried_run_is_one_row(
    client: Client, clean_redis: RedisSettings, recorder: Recorder, runs: Runs
) -> None:
    tried.clear()
    handle = await client.enqueue(stumble)
    worker = Worker(
        client,
        clean_redis,
        jobs=by_name([stumble]),
        queues=["default"],
        make_context=lambda _attempt: None,
        options=WorkerOptions(burst=True, poll=AT_ONCE),
    )
    with anyio.fail_after(20):
        await worker.run()

    await recorder.drain()

    run = await runs.get(handle.id)
    assert (run.status, run.attempts, run.worker) == (Ending.SUCCEEDED, 2, worker.id)
    assert run.enqueued_at <= run.started_at <= run.ended_at
    assert len(await runs.list()) == 1


async def test_a_recorder_at_work_records_what_happens(
    client: Client, recorder: Recorder, runs: Runs
) -> None:
    async with at_work(recorder):
        await happen(client, "a")
        await eventually(runs.list)
        await happen(client, "b")
        await eventually(lambda: has(runs, "b"))


async def test_what_happened_last_is_recorded_before_a_recorder_stops(
    client: Client, recorder: Recorder, runs: Runs
) -> None:
    async with at_work(recorder):
        await happen(client, "a")
        await eventually(runs.list)
        await happen(client, "b")

    assert await recorded(runs) == ["a", "b"]


async def has(runs: Runs, run_id: str) -> bool:
    """Whether the history has this run."""
    return run_id in await recorded(runs)


async def test_one_recorder_works_at_a_time(
    client: Client, events: Events, recorder: Recorder, runs: Runs
) -> None:
    assert await events.hold("another", seconds(60))
    await happen(client, "a")

    async with at_work(recorder):
        with pytest.raises(TimeoutError):
            await eventually(runs.list, within=seconds(0.5))
        await events.let_go("another")
        await eventually(runs.list)


async def test_a_recorder_that_stops_lets_another_begin_at_once(
    events: Events, recorder: Recorder, client: Client, runs: Runs
) -> None:
    async with at_work(recorder):
        await happen(client, "a")
        await eventually(runs.list)
        assert not await events.hold("another", seconds(60))

    assert await events.hold("another", seconds(60))


async def test_an_entry_read_but_not_recorded_is_recorded_by_the_successor(
    client: Client, events: Events, recorder: Recorder, runs: Runs
) -> None:
    await events.join()
    await happen(client, "a")
    await events.read(within=AT_ONCE)  # and then its reader died
    await happen(client, "b")

    await recorder.drain()

    assert await recorded(runs) == ["a", "b"]
    assert await runs.gaps() == ()


async def test_an_entry_recorded_but_not_confirmed_is_recorded_once(
    client: Client, events: Events, recorder: Recorder, runs: Runs
) -> None:
    await events.join()
    await happen(client, "a", "b")
    position = await runs.record(await events.read(within=AT_ONCE))  # and then its reader died

    await recorder.drain()

    assert await recorded(runs) == ["a", "b"]
    assert await runs.position() == position
    assert await events.unconfirmed() == []


async def test_a_confirmed_entry_leaves_nothing_behind(
    client: Client, events: Events, recorder: Recorder
) -> None:
    await happen(client, "a")

    await recorder.drain()

    assert await events.unconfirmed() == []
    assert await events.read(within=AT_ONCE) == []


async def test_what_the_stream_lost_is_counted_and_told(
    client: Client, recorder: Recorder, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    await happen(client, "a")
    await recorder.drain()
    await happen(client, "b", "c", "d")
    await client.store.redis.xtrim(redis_keys.EVENTS, maxlen=1, approximate=False)

    await recorder.drain()

    assert await recorded(runs) == ["a", "d"]
    assert [gap.missed for gap in await runs.gaps()] == [2]
    assert "the history misses 2 events" in caplog.text


async def test_an_entry_lost_between_reading_and_recording_is_a_gap(
    client: Client, events: Events, recorder: Recorder, runs: Runs
) -> None:
    await events.join()
    await happen(client, "a")
    await events.read(within=AT_ONCE)
    await happen(client, "b")
    await client.store.redis.xtrim(redis_keys.EVENTS, maxlen=1, approximate=False)

    await recorder.drain()

    assert await recorded(runs) == ["b"]
    assert [gap.missed for gap in await runs.gaps()] == [1]
    assert await events.unconfirmed() == []


class Overtaken(Events):
    """A stream of which a recorder that is stuck reads one entry, just before ours reads on."""

    overtaken = False

    async def read(self, *, within: timedelta, most: int = 100) -> list[Batch]:
        """Let the other one read first."""
        if not self.overtaken:
            self.overtaken = True
            await super().read(within=within, most=1)
        return await super().read(within=within, most=most)


async def test_an_entry_a_stuck_recorder_took_is_no_gap(client: Client, runs: Runs) -> None:
    await happen(client, "a", "b", "c")

    await Recorder(Overtaken(client.store), runs).drain()

    assert await recorded(runs) == ["a", "b", "c"]
    assert await runs.gaps() == ()


async def test_a_flush_of_redis_loses_nothing_that_comes_after(
    client: Client, recorder: Recorder, runs: Runs
) -> None:
    async with at_work(recorder):
        await happen(client, "a", "b", "c")
        await eventually(lambda: has(runs, "c"))
        await asked(client.store.redis, "FLUSHDB")
        await happen(client, "d", "e")
        await eventually(lambda: has(runs, "e"))

    assert await recorded(runs) == ["a", "b", "c", "d", "e"]
    assert await runs.gaps() == ()
    assert (await runs.position()).epoch == 2


async def test_entries_that_are_not_ours_are_passed_over(
    client: Client, recorder: Recorder, events: Events, runs: Runs
) -> None:
    await client.store.redis.xadd(redis_keys.EVENTS, {"last": "7", "events": b"\x91\xc1"})
    await client.store.redis.xadd(redis_keys.EVENTS, {"hello": "world"})
    await happen(client, "a")

    await recorder.drain()

    assert await recorded(runs) == ["a"]
    assert await events.unconfirmed() == []


async def test_a_database_out_of_order_is_waited_for(
    client: Client,
    database: Database,
    recorder: Recorder,
    runs: Runs,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await execute(database, "ALTER TABLE runs RENAME TO hidden")

    async with at_work(recorder):
        await happen(client, "a")
        await eventually(lambda: said(caplog, "the history is not being recorded"))
        await execute(database, "ALTER TABLE hidden RENAME TO runs")
        await eventually(runs.list)
        await eventually(lambda: said(caplog, "the history is being recorded again"))

    assert caplog.text.count("the history is not being recorded") == 1


async def execute(database: Database, statement: str) -> None:
    """Change the database behind everybody's back."""
    async with database.write() as session:
        await session.execute(text(statement))


async def said(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    """Whether the log has these words."""
    return words in caplog.text


async def test_a_server_that_restarts_is_waited_for(
    redis_home: Path, codec: Codec, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    home = redis_home / "restarting"
    async with open_valkey(home) as settings, Client.open(settings, codec) as client:
        async with at_work(Recorder(Events(client.store), runs, lease=seconds(1))):
            await happen(client, "a")
            await eventually(runs.list)
            await Server(home).stop()
            await eventually(lambda: said(caplog, "the history is not being recorded"))
            await Server(home).ensure()
            await happen(client, "b")
            await eventually(lambda: has(runs, "b"))

    assert await recorded(runs) == ["a", "b"]
    assert await runs.gaps() == ()
