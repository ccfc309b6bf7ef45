"""Runs that come from elsewhere: each once, whoever brings them, and however late."""

from datetime import timedelta
from typing import Any

import pytest

from app.engine import Brought, Client, Handover, Job, NewRun, Overtaken, RunStatus, job, seconds
from app.engine.redis import keys
from tests.rights import asked

LEASE = seconds(30)


@job(name="tests.carried", queue="default")
async def carried(ctx: object, number: int) -> None:
    """Do nothing; nobody runs it."""
    del ctx, number


def runs(client: Client, *numbers: int, of: Job[Any, [int], None] = carried) -> dict[str, NewRun]:
    """Sealed runs under marks of their own."""
    return {f"m{number}": client.prepare(of.call(number)) for number in numbers}


def handover(client: Client, *, lease: timedelta = LEASE) -> Handover:
    return Handover(client.store, lease=lease)


async def queued(client: Client) -> list[str]:
    found: Any = await client.store.redis.zrange(keys.queue("default"), 0, -1)
    return [id.decode() for id in found]


async def forget_runs(client: Client) -> None:
    """As if all of them were over, and so long ago that nothing is left."""
    payloads = map(keys.payload, await queued(client))
    await client.store.redis.delete(keys.queue("default"), *payloads)


async def overtake(client: Client) -> None:
    """As if the lease had run out."""
    await client.store.redis.delete(keys.RELAY)


async def test_runs_come_to_their_queues_in_their_order_and_leave_no_mark(client: Client) -> None:
    here, some = handover(client), runs(client, *range(50))
    assert await here.begin()

    assert await here.bring(some) == dict.fromkeys(some, Brought.NEW)
    await here.end(some)

    assert await queued(client) == [run.id for run in some.values()]
    assert await asked(client.store.redis, "KEYS", "steward:*") == []


async def test_another_begins_when_the_first_has_ended(client: Client) -> None:
    first, second = handover(client), handover(client)

    assert await first.begin()
    assert await first.begin()
    assert not await second.begin()
    await first.end([])
    assert await second.begin()

    await second.end([])


async def test_what_was_brought_is_not_brought_again_however_long_ago_it_ran(
    client: Client,
) -> None:
    killed, some = handover(client), runs(client, 1, 2)
    await killed.begin()
    await killed.bring(some)
    await forget_runs(client)
    await overtake(client)
    successor = handover(client)

    assert await successor.begin()
    assert await successor.bring(some) == dict.fromkeys(some, Brought.BEFORE)

    assert await queued(client) == []
    await successor.end(some)


async def test_a_part_that_was_brought_is_told_from_the_rest(client: Client) -> None:
    here, some = handover(client), runs(client, 1, 2, 3)
    await here.begin()
    await here.bring({"m2": some["m2"]})

    answers = await here.bring(some)

    assert list(answers.values()) == [Brought.NEW, Brought.BEFORE, Brought.NEW]
    await here.end(some)


@pytest.mark.parametrize("has_successor", [True, False])
async def test_whoever_stood_still_brings_nothing(client: Client, *, has_successor: bool) -> None:
    slow, successor, some = handover(client), handover(client), runs(client, 1)
    await slow.begin()
    await overtake(client)
    if has_successor:
        assert await successor.begin()
        await successor.bring(some)
        await successor.end(some)  # and then the run is over, and nothing is left of it
        await forget_runs(client)
        await successor.begin()

    with pytest.raises(Overtaken):
        await slow.bring(some)

    assert await queued(client) == []
    await successor.end([])


async def test_whoever_stood_still_takes_no_mark_away(client: Client) -> None:
    slow, successor, some = handover(client), handover(client), runs(client, 1)
    await slow.begin()
    await slow.bring(some)
    await overtake(client)
    await successor.begin()
    await forget_runs(client)

    await slow.end(some)

    assert await successor.bring(some) == {"m1": Brought.BEFORE}
    await successor.end(some)


async def test_each_step_makes_the_lease_last_longer(client: Client) -> None:
    here = handover(client, lease=seconds(60))
    await here.begin()
    await client.store.redis.pexpire(keys.RELAY, 1_000)

    await here.bring(runs(client, 1))

    assert await client.store.redis.pttl(keys.RELAY) > 30_000
    await here.end(["m1"])


async def test_another_run_may_stand_for_it(client: Client) -> None:
    keyed = carried.with_options(key="one")
    handle = await client.enqueue(keyed, 1)
    chosen = await client.enqueue(carried.with_options(id="chosen"), 1)
    some = runs(client, 1, of=keyed) | {"m2": client.prepare(chosen_again().call(2))}
    here = handover(client)
    await here.begin()

    assert list((await here.bring(some)).values()) == [Brought.OTHER, Brought.OTHER]

    assert set(await queued(client)) == {handle.id, chosen.id}
    await here.end(some)


def chosen_again() -> Job[Any, [int], None]:
    return carried.with_options(id="chosen")


async def test_a_chosen_id_that_is_over_may_be_brought_again_under_another_mark(
    client: Client,
) -> None:
    for mark in ("a", "b"):
        here = handover(client)
        await here.begin()
        some = {mark: client.prepare(chosen_again().call(1))}

        assert await here.bring(some) == {mark: Brought.NEW}

        await forget_runs(client)  # and the end of this handover is never heard of
        await overtake(client)
    await client.store.redis.delete(*[f"{keys.BROUGHT}{mark}" for mark in "ab"])


async def test_what_is_no_queue_keeps_no_other_run(client: Client) -> None:
    await client.store.redis.set(keys.queue("default"), "no queue")
    some = runs(client, 1)
    other = client.prepare(elsewhere.call(1))
    here = handover(client)
    await here.begin()

    answers = await here.bring({**some, "m2": other})

    assert answers == {"m1": Brought.NO_QUEUE, "m2": Brought.NEW}
    assert await client.run(some["m1"].id).status() is RunStatus.UNKNOWN
    assert await client.run(other.id).status() is RunStatus.QUEUED
    await here.end(["m2"])
    await client.store.redis.delete(keys.queue("default"))


@job(name="tests.elsewhere", queue="urgent")
async def elsewhere(ctx: object, number: int) -> None:
    """Do nothing; nobody runs it."""
    del ctx, number
