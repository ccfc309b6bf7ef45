"""From the outbox to the queues: a row is one run, whoever dies, stands still or is not heard."""

import logging
from collections.abc import AsyncGenerator, Generator, Sequence
from functools import partial
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings
from sqlalchemy import update

from app.engine import Client, Codec, RunStatus, job, seconds
from app.engine.redis import keys
from app.engine.redis.connection import make_blocking_redis
from app.engine.redis.steps import source
from app.relay import ROUND, ROUND_BYTES, Relay
from app.storage.database import Database
from app.storage.outbox import Outbox, OutboxRow, Waiting
from tests.engine.leaks import leaks
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.proxy import Proxy, proxied
from tests.rights import asked

QUEUES = ("default", "urgent")
LONG = seconds(20)


@job(name="tests.post", queue="default")
async def post(ctx: object, number: int, text: str = "") -> None:
    """Do nothing; nobody runs it."""
    del ctx, number, text


@job(name="tests.gone", queue="gone")
async def gone(ctx: object) -> None:
    """The same, on a queue that a later release has given up."""
    del ctx


@job(name="tests.hurry", queue="urgent")
async def hurry(ctx: object) -> None:
    """The same, on another."""
    del ctx


@pytest.fixture(autouse=True)
def nothing_is_left_behind(clean_redis: RedisSettings) -> Generator[None]:
    """Fail a test that leaves a mark."""
    yield
    redis = make_blocking_redis(clean_redis)
    try:
        assert leaks(redis) == []
    finally:
        redis.close()


@pytest.fixture
def outbox(database: Database, client: Client) -> Outbox:
    return Outbox(database, client, now=client.store.clock.now)


@pytest.fixture
def relay(outbox: Outbox, client: Client) -> Relay:
    return Relay(outbox, client, queues=QUEUES)


@pytest.fixture
async def proxy(clean_redis: RedisSettings) -> AsyncGenerator[Proxy]:
    async with proxied(clean_redis) as opened:
        yield opened


@pytest.fixture
async def far(proxy: Proxy, outbox: Outbox, codec: Codec) -> AsyncGenerator[Relay]:
    """A relay whose way to Redis can be cut."""
    async with Client.open(proxy.settings, codec) as client:
        yield Relay(outbox, client, queues=QUEUES, lease=seconds(2))


async def write(database: Database, outbox: Outbox, *numbers: int, text: str = "") -> list[str]:
    async with database.write() as session:
        return [(await outbox.enqueue(session, post, n, text)).id for n in numbers]


async def queued(client: Client) -> list[str]:
    found: Any = await client.store.redis.zrange(keys.queue("default"), 0, -1)
    return [id.decode() for id in found]


async def forget_runs(client: Client) -> None:
    """As if all of them were over, and so long ago that nothing is left."""
    payloads = map(keys.payload, await queued(client))
    await client.store.redis.delete(keys.queue("default"), *payloads)


async def empty(outbox: Outbox, relay: Relay) -> None:
    with anyio.fail_after(LONG.total_seconds()):
        while (await outbox.standing()).waiting:
            await relay.round()


async def test_rows_become_runs_in_their_order_and_are_deleted(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    ids = await write(database, outbox, *range(20))

    assert await relay.round()

    assert await queued(client) == ids
    assert (await outbox.standing()).waiting == 0
    assert not await relay.is_needed()


async def test_a_round_takes_no_more_than_it_may(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    ids = await write(database, outbox, *range(ROUND + 5))

    await relay.round()
    assert (await outbox.standing()).waiting == 5
    await relay.round()

    assert await queued(client) == ids


async def test_a_round_of_large_runs_takes_fewer(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    incompressible = "".join(map(chr, range(0x4E00, 0x9000)))
    ids = await write(database, outbox, *range(40), text=incompressible)

    await relay.round()

    left = (await outbox.standing()).waiting
    assert 0 < left < 40
    assert (40 - left) * 20_000 < ROUND_BYTES
    await empty(outbox, relay)
    assert await queued(client) == ids


async def test_relays_at_work_at_once_bring_each_run_once(
    database: Database, outbox: Outbox, client: Client
) -> None:
    ids = await write(database, outbox, *range(3 * ROUND))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(empty, outbox, Relay(outbox, client, queues=QUEUES))

    assert await queued(client) == ids


async def test_a_relay_wakes_when_something_is_committed(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(relay.run)
        for number in range(5):
            (written,) = await write(database, outbox, number)

            await eventually(partial(_is_there, client, written), within=LONG)
        group.cancel_scope.cancel()

    assert (await outbox.standing()).waiting == 0


async def _is_there(client: Client, run_id: str) -> bool:
    return await client.run(run_id).status() is RunStatus.QUEUED


async def test_a_relay_finds_what_another_process_has_written(
    database: Database, outbox: Outbox, client: Client
) -> None:
    elsewhere = Relay(Outbox(database, client), client, queues=QUEUES)
    async with anyio.create_task_group() as group:
        group.start_soon(elsewhere.run)
        (first,) = await write(database, outbox, 1)
        await eventually(lambda: _is_there(client, first), within=LONG)
        (second,) = await write(database, outbox, 2)
        await eventually(lambda: _is_there(client, second), within=LONG)
        group.cancel_scope.cancel()


async def test_a_relay_that_stops_brings_what_was_written_last(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    ids = list[str]()
    async with anyio.create_task_group() as group:
        group.start_soon(relay.run)
        ids += await write(database, outbox, 0)
        await eventually(lambda: _is_there(client, ids[0]), within=LONG)
        ids += await write(database, outbox, 1, 2)
        group.cancel_scope.cancel()

    assert await queued(client) == ids


async def test_an_idle_relay_asks_nothing_of_redis(
    database: Database, outbox: Outbox, far: Relay, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.cut()
    with anyio.move_on_after(0.3):
        await far.run()

    assert caplog.messages == []
    proxy.heal()
    await write(database, outbox, 1)
    await empty(outbox, far)


@pytest.mark.case(14)
async def test_an_absent_redis_is_waited_for_and_named_once(
    database: Database,
    outbox: Outbox,
    far: Relay,
    proxy: Proxy,
    client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    proxy.cut()
    ids = await write(database, outbox, 1, 2)
    async with anyio.create_task_group() as group:
        group.start_soon(far.run)
        await eventually(lambda: "the outbox waits" in caplog.text, within=LONG)
        ids += await write(database, outbox, 3)
        proxy.heal()
        await eventually(lambda: "the outbox is emptied again" in caplog.text, within=LONG)
        group.cancel_scope.cancel()

    assert await queued(client) == ids
    assert caplog.text.count("the outbox waits") == 1


@pytest.mark.case(18)
@pytest.mark.parametrize("step", ["hold", "relay", "relayed"])
async def test_a_lost_answer_makes_no_second_run_and_loses_none(
    database: Database,
    outbox: Outbox,
    far: Relay,
    proxy: Proxy,
    client: Client,
    case: Case,
    step: str,
) -> None:
    ids = list[str]()
    async with anyio.create_task_group() as group:
        group.start_soon(far.run)
        for number in range(5):
            sha: Any = await client.store.redis.script_load(source(step))
            proxy.lose_answer(to=sha.encode())
            ids += await write(database, outbox, number)
            await eventually(lambda: _is_empty(outbox), within=LONG)
        await eventually(lambda: _has_no_mark(client), within=LONG)
        group.cancel_scope.cancel()

    assert proxy.has_lost_it
    assert await queued(client) == ids
    case.says(
        f"5 rows of an outbox, 5 answers to `{step}` lost",
        arq="has no outbox",
        steward=f"{len(ids)} runs, each once",
    )


async def _is_empty(outbox: Outbox) -> bool:
    return not (await outbox.standing()).waiting


async def _has_no_mark(client: Client) -> bool:
    return not await asked(client.store.redis, "KEYS", keys.BROUGHT + "*")


async def test_a_relay_frozen_on_its_way_for_long_brings_nothing_twice(
    database: Database,
    outbox: Outbox,
    relay: Relay,
    proxy: Proxy,
    client: Client,
    codec: Codec,
) -> None:
    has_read = anyio.Event()

    class Frozen(Relay):
        async def read(self) -> Sequence[Waiting]:
            rows = await super().read()
            if not has_read.is_set():
                proxy.freeze()
                has_read.set()
            return rows

    ids = await write(database, outbox, 1, 2, 3)
    async with Client.open(proxy.settings, codec) as away, anyio.create_task_group() as group:
        group.start_soon(Frozen(outbox, away, queues=QUEUES).run)
        await has_read.wait()
        await client.store.redis.delete(keys.RELAY)  # it stands still for longer than its lease

        await empty(outbox, relay)
        assert await queued(client) == ids
        await forget_runs(client)  # all of them are over, and their traces are gone
        proxy.heal()
        later = await write(database, outbox, 4)
        await eventually(partial(_is_there, client, *later), within=LONG)
        assert await queued(client) == later
        group.cancel_scope.cancel()


async def test_rows_that_were_brought_and_not_deleted_are_not_brought_again(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    class Killed(Exception):
        """As good as a kill, in the middle of a round."""

    class Dying(Relay):
        async def delete(self, marks: object) -> None:
            del marks
            raise Killed

    await write(database, outbox, 1, 2)
    with pytest.raises(Killed):
        await Dying(outbox, client, queues=QUEUES).round()
    assert len(await queued(client)) == 2
    await forget_runs(client)

    await relay.round()

    assert await queued(client) == []
    assert (await outbox.standing()).waiting == 0


async def test_a_run_for_a_queue_that_nobody_has_holds_up_no_other(
    database: Database,
    outbox: Outbox,
    relay: Relay,
    client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with database.write() as session:
        lost = await outbox.enqueue(session, gone)
    (other,) = await write(database, outbox, 1)

    await relay.round()
    await relay.round()

    standing = await outbox.standing()
    assert await queued(client) == [other]
    assert (standing.waiting, standing.troubled) == (1, 1)
    assert (standing.job, standing.trouble) == ("tests.gone", "no queue is called 'gone'")
    assert caplog.text.count(f"run {lost.id} of tests.gone can't be enqueued") == 1
    restored = Relay(outbox, client, queues=[*QUEUES, "gone"])
    client.store.clock.advance(seconds(2))  # type: ignore[attr-defined]
    await restored.round()
    assert await lost.status() is RunStatus.QUEUED


async def test_what_is_no_queue_holds_up_no_other(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    await client.store.redis.set(keys.queue("urgent"), "no queue")
    async with database.write() as session:
        await outbox.enqueue(session, hurry)
    (other,) = await write(database, outbox, 1)

    await relay.round()

    assert await queued(client) == [other]
    assert "is no queue" in (await outbox.standing()).trouble
    await client.store.redis.delete(keys.queue("urgent"))


async def test_a_full_queue_holds_up_no_other(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    narrow = Client(client.store, client.codec, room={"urgent": 1})
    narrow_outbox = Outbox(database, narrow, now=client.store.clock.now)
    async with database.write() as session:
        handles = [await narrow_outbox.enqueue(session, hurry) for _ in range(2)]
    (other,) = await write(database, outbox, 1)

    await relay.round()

    assert await queued(client) == [other]
    assert [await each.status() for each in handles] == [RunStatus.QUEUED, RunStatus.UNKNOWN]
    assert (await outbox.standing()).trouble == "its queue is full"
    await client.store.redis.delete(keys.queue("urgent"), keys.payload(handles[0].id))
    client.store.clock.advance(seconds(2))  # type: ignore[attr-defined]
    await relay.round()
    assert await handles[1].status() is RunStatus.QUEUED


async def test_a_run_that_the_step_fails_at_holds_up_no_other(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    await client.store.redis.zadd("steward:unique:taken", {"no string": 1})
    async with database.write() as session:
        first = await outbox.enqueue(session, post, 1)
        bad = await outbox.enqueue(session, post.with_options(key="taken"), 2)
        last = await outbox.enqueue(session, post, 3)

    await relay.round()

    assert await queued(client) == [first.id, last.id]
    assert [each.run_id for each in await outbox.next(most=9)] == []
    standing = await outbox.standing()
    assert (standing.waiting, standing.troubled) == (1, 1)
    assert "WRONGTYPE" in standing.trouble
    await client.store.redis.delete("steward:unique:taken")
    client.store.clock.advance(seconds(2))  # type: ignore[attr-defined]
    await relay.round()
    assert await bad.status() is RunStatus.QUEUED


async def test_bytes_that_are_no_run_hold_up_no_other(
    database: Database, outbox: Outbox, relay: Relay, client: Client
) -> None:
    bad, good = await write(database, outbox, 1, 2)
    async with database.write() as session:
        await session.execute(update(OutboxRow).where(OutboxRow.run_id == bad).values(run=b"\xc1"))

    await relay.round()

    assert await queued(client) == [good]
    assert "no run that was written down" in (await outbox.standing()).trouble
