"""A worker's sign of life."""

import logging
import time
from dataclasses import replace
from functools import partial
from time import monotonic

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import Client, minutes, seconds
from app.engine.redis.connection import make_blocking_redis
from app.engine.roles.lease import Lease
from app.engine.roles.slots import Slots
from app.engine.roles.watcher import Watcher
from tests.eventually import eventually
from tests.proxy import proxied

KEY = "steward:worker:w1"


def lease(settings: RedisSettings, *, length: float = 0.4) -> Lease:
    slots = Slots(1, grace=seconds(1), ended=lambda _running, _outcome: None)
    return Lease(
        partial(make_blocking_redis, settings),
        worker="w1",
        length=seconds(length),
        watcher=Watcher(slots, max_block=seconds(60)),
        describe=lambda: b"I am w1",
    )


async def test_a_sign_of_life_is_there_until_the_lease_stops(
    client: Client, clean_redis: RedisSettings
) -> None:
    ours = lease(clean_redis)
    ours.start()
    await eventually(lambda: client.store.redis.exists(KEY))

    found = await client.store.redis.get(KEY)
    await anyio.to_thread.run_sync(ours.stop)

    assert found == b"I am w1"
    assert not await client.store.redis.exists(KEY)


async def test_a_job_that_blocks_the_loop_does_not_cost_the_lease(
    client: Client, clean_redis: RedisSettings
) -> None:
    ours = lease(clean_redis)
    ours.start()
    await eventually(lambda: client.store.redis.exists(KEY))

    time.sleep(1)  # what a job must not do, and some do  # noqa: ASYNC251

    assert await client.store.redis.exists(KEY)
    await anyio.to_thread.run_sync(ours.stop)


async def test_a_sign_of_life_that_lapsed_is_set_again(
    client: Client, clean_redis: RedisSettings
) -> None:
    ours = lease(clean_redis)
    ours.start()
    await eventually(lambda: client.store.redis.exists(KEY))
    await client.store.redis.delete(KEY)

    await eventually(lambda: client.store.redis.exists(KEY), within=seconds(3))

    await anyio.to_thread.run_sync(ours.stop)


async def test_it_is_shown_as_long_as_its_last_renewal_lasts(clean_redis: RedisSettings) -> None:
    async with proxied(clean_redis) as proxy:
        ours = lease(proxy.settings, length=1.2)
        ours.start()

        proxy.cut()
        await eventually(lambda: not ours.is_shown)
        proxy.heal()
        await eventually(lambda: ours.is_shown)

        await anyio.to_thread.run_sync(ours.stop)


async def test_an_absent_redis_is_waited_for(
    clean_redis: RedisSettings, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = replace(clean_redis, unix_socket_path="/nowhere.sock")
    ours = lease(nowhere, length=0.1)

    ours.start()
    await eventually(lambda: "could not be renewed" in caplog.text)

    await anyio.to_thread.run_sync(ours.stop)


async def test_it_has_lapsed_once_it_was_not_renewed_for_its_whole_length(
    clean_redis: RedisSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with proxied(clean_redis) as proxy:
        ours = lease(proxy.settings, length=1.2)
        ours.start()
        await eventually(lambda: has_turned_renewed(ours))

        proxy.cut()
        cut_at = monotonic()
        await eventually(lambda: has_turned_lapsed(ours))
        lapsed_after = monotonic() - cut_at
        proxy.heal()
        await eventually(lambda: has_turned_renewed(ours))

        await anyio.to_thread.run_sync(ours.stop)

    assert lapsed_after > 0.5  # the last renewal was a quarter of its length before, and a bit
    assert caplog.text.count("could not be renewed") == 1


async def test_a_server_that_is_down_for_everybody_costs_no_lease(
    clean_redis: RedisSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nowhere = replace(clean_redis, unix_socket_path="/nowhere.sock")
    ours = lease(nowhere, length=0.2)

    ours.start()
    await eventually(lambda: has_missed(ours, 40, caplog))  # each a sixteenth of its length late

    assert not ours.has_lapsed
    await anyio.to_thread.run_sync(ours.stop)


def has_missed(ours: Lease, renewals: int, caplog: pytest.LogCaptureFixture) -> bool:
    ours.turn()
    return caplog.text.count("could not be renewed") >= renewals


def has_turned_renewed(ours: Lease) -> bool:
    ours.turn()
    return not ours.has_lapsed


def has_turned_lapsed(ours: Lease) -> bool:
    ours.turn()
    return ours.has_lapsed


def test_the_longest_block_is_longer_than_the_lease() -> None:
    from app.engine import WorkerOptions

    assert WorkerOptions().max_block > WorkerOptions().lease
    assert WorkerOptions().max_block <= minutes(2)
