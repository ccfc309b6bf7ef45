"""What ended without success, and what can be done about it."""

from datetime import timedelta
from secrets import token_hex
from typing import Any

import anyio
import pytest

from app.engine import (
    NEVER,
    BadArguments,
    BadPayload,
    Client,
    Codec,
    DeadLetters,
    ManualClock,
    RunStatus,
    UnknownRun,
    job,
    minutes,
    seconds,
)
from tests.engine.conftest import Bench, Open
from tests.engine.jobs import die, fail, write
from tests.engine.steps import buried, claim, keys_of


async def test_a_dead_letter_tells_everything(
    workshop: Open, clock: ManualClock, codec: Codec
) -> None:
    async with workshop(fail) as shop:
        handle = await shop.client.enqueue(fail)
        await shop.drain()

        letter = await DeadLetters(shop.client).get(handle.id)

        assert (letter.id, letter.job, letter.queue) == (handle.id, "test.fail", "default")
        assert abs(letter.died_at - clock.now()) < minutes(1)
        assert codec.open_payload(letter.payload).id == handle.id
        assert [each.number for each in letter.attempts] == [1, 2, 3]
        assert {each.kind for each in letter.attempts} == {"builtins.RuntimeError"}
        assert letter.last.started_at <= letter.last.ended_at <= letter.died_at + seconds(1)
        assert letter.last.worker
        assert "in fail\n" in letter.last.traceback


async def test_the_latest_come_first(workshop: Open) -> None:
    async with workshop(die) as shop:
        handles = [await shop.client.enqueue(die, text) for text in "abc"]
        await shop.drain(concurrency=1)
        letters = DeadLetters(shop.client)

        listed = await letters.list(limit=2)

        assert [each.id for each in listed] == [handles[2].id, handles[1].id]
        assert await letters.count() == 3


async def test_a_dead_letter_holds_its_id(workshop: Open) -> None:
    async with workshop(die) as shop:
        named = die.with_options(id="chosen")
        await shop.client.enqueue(named, "x")
        await shop.drain(keep_result=timedelta(0))

        assert not (await shop.client.enqueue(named, "x")).is_new

        assert await DeadLetters(shop.client).drop("chosen")
        assert (await shop.client.enqueue(named, "x")).is_new


async def test_a_retry_is_a_new_run_that_names_the_old(workshop: Open, codec: Codec) -> None:
    async with workshop(fail) as shop:
        handle = await shop.client.enqueue(fail)
        await shop.drain()
        letters = DeadLetters(shop.client)
        shop.page.clear()

        again = await letters.retry(handle.id)

        payload = codec.open_payload(await shop.client.store.redis.get(f"arq:job:{again.id}"))
        assert (payload.p, payload.id) == (handle.id, again.id)
        assert again.is_new
        assert again.id != handle.id
        assert await letters.count() == 0
        await shop.drain()
        assert shop.page == ["try 1", "try 2", "try 3"]
        with pytest.raises(UnknownRun):
            await letters.get(handle.id)
        with pytest.raises(UnknownRun):
            await letters.retry(handle.id)


async def test_a_dropped_letter_leaves_nothing_of_it(workshop: Open) -> None:
    async with workshop(die) as shop:
        handle = await shop.client.enqueue(die, "x")
        await shop.drain()
        letters = DeadLetters(shop.client)

        dropped = [await letters.drop(handle.id) for _ in range(2)]

        assert dropped == [True, False]
        assert not any(handle.id in key for key in await keys_of(shop.client))
        assert await handle.status() == RunStatus.UNKNOWN


async def test_dropping_what_did_not_die_takes_nothing_from_it(workshop: Open) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write, "hello")
        await shop.drain()

        assert not await DeadLetters(shop.client).drop(handle.id)
        assert await handle.result(within=seconds(1)) == 5


async def test_bytes_that_were_never_ours_are_kept_and_not_run_again(client: Client) -> None:
    handle = await client.enqueue(write, "x")
    await client.store.redis.set(f"arq:job:{handle.id}", b"\x80\x04 not ours")
    await client.store.commit([buried((await claim(client.store)).runs[0])])
    letters = DeadLetters(client)

    assert (await letters.get(handle.id)).payload == b"\x80\x04 not ours"
    with pytest.raises(BadPayload):
        await letters.retry(handle.id)
    assert await letters.count() == 1


async def test_a_payload_of_another_run_is_not_run_again(client: Client) -> None:
    mine, other = await client.enqueue(write, "mine"), await client.enqueue(write, "other")
    payload = await client.store.redis.get(f"arq:job:{other.id}")
    await client.store.redis.set(f"arq:job:{mine.id}", payload)
    runs = (await claim(client.store)).runs
    await client.store.commit([buried(run) for run in runs])

    with pytest.raises(BadPayload, match=other.id):
        await DeadLetters(client).retry(mine.id)


async def test_one_broken_letter_does_not_hide_the_others(workshop: Open) -> None:
    async with workshop(die) as shop:
        handles = [await shop.client.enqueue(die, text) for text in "abc"]
        await shop.drain()
        redis: Any = shop.client.store.redis
        broken = f"steward:dead:{handles[1].id}"
        await redis.delete(broken)
        await redis.hset(broken, "failure:1", b"\xff no failure")
        await redis.zadd("steward:dead", {"nothing-there": 1})

        listed = await DeadLetters(shop.client).list()

        assert {each.id for each in listed} == {each.id for each in handles}
        assert await shop.client.run(handles[1].id).status() == RunStatus.DEAD


async def test_of_two_who_retry_a_letter_one_succeeds(workshop: Open) -> None:
    async with workshop(die) as shop:
        handle = await shop.client.enqueue(die, "x")
        await shop.drain()
        outcomes = list[str]()

        async def retry() -> None:
            try:
                await DeadLetters(shop.client).retry(handle.id)
                outcomes.append("retried")
            except UnknownRun:
                outcomes.append("too late")

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(retry)

        assert sorted(outcomes) == ["retried", *["too late"] * 4]
        assert (await shop.client.queues())[1].ready == 1


@job(name="test.stray", queue="default", retry=NEVER)
async def stray(ctx: Bench, number: int) -> None:
    """Die of one thing, or of another."""
    ctx.page.append(str(number))
    if number < 2:
        raise LookupError(f"{number} is nowhere")
    raise ValueError(f"{number} is too many")


async def test_letters_are_grouped_by_what_they_died_of(workshop: Open) -> None:
    async with workshop(stray, die) as shop:
        await shop.client.enqueue_many(stray.call(number) for number in range(5))
        await shop.client.enqueue(die, "boom")
        await shop.drain()
        letters = DeadLetters(shop.client)

        groups = await letters.groups()

        most, some, one = groups
        assert (most.count, most.job, most.kind) == (3, "test.stray", "builtins.ValueError")
        assert (some.count, some.job, some.kind) == (2, "test.stray", "builtins.LookupError")
        assert (one.count, one.job, one.kind) == (1, "test.die", "builtins.RuntimeError")
        assert most.place == "doors/test_dead_letters.py in stray"
        assert most.first_at < most.last_at
        assert [each.group for each in await letters.list(group=some.id)] == [some.id] * 2


async def test_a_group_is_retried_and_the_others_stay(workshop: Open) -> None:
    async with workshop(stray) as shop:
        await shop.client.enqueue_many(stray.call(number) for number in range(5))
        await shop.drain(concurrency=1)
        letters = DeadLetters(shop.client)
        most, some = await letters.groups()
        shop.page.clear()

        handles = await letters.retry_group(most.id)

        assert [each.id for each in await letters.groups()] == [some.id]
        assert await letters.count() == 2
        await shop.drain(concurrency=1)
        assert shop.page == ["2", "3", "4"]
        assert len({each.id for each in handles}) == 3


async def test_a_dropped_group_leaves_nothing_of_it(workshop: Open) -> None:
    async with workshop(stray) as shop:
        await shop.client.enqueue_many(stray.call(number) for number in range(5))
        await shop.drain()
        letters = DeadLetters(shop.client)
        most, some = await letters.groups()

        dropped = [await letters.drop_group(most.id) for _ in range(2)]

        assert dropped == [3, 0]
        assert [each.id for each in await letters.groups()] == [some.id]
        assert await letters.drop_group(some.id) == 2
        assert not [key for key in await keys_of(shop.client) if "cause" in key or "dead" in key]


async def test_of_a_payload_that_can_not_be_read_the_beginning_is_kept(workshop: Open) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write, "x")
        junk = bytes(range(256)) * 1024
        await shop.client.store.redis.set(f"arq:job:{handle.id}", junk)

        await shop.drain()

        letter = await DeadLetters(shop.client).get(handle.id)
        assert letter.payload == junk[: 64 * 1024]
        assert letter.last.kind == "app.engine.errors.BadPayload"


async def test_a_large_payload_that_can_be_read_is_kept_whole(workshop: Open) -> None:
    async with workshop(die) as shop:
        handle = await shop.client.enqueue(die, token_hex(100_000))
        whole = await shop.client.store.redis.get(f"arq:job:{handle.id}")

        await shop.drain()

        assert len(whole) > 64 * 1024
        assert (await DeadLetters(shop.client).get(handle.id)).payload == whole


async def test_a_group_without_a_name_is_not_all_of_them(client: Client) -> None:
    letters = DeadLetters(client)

    with pytest.raises(BadArguments, match="has a name"):
        await letters.drop_group("")
    with pytest.raises(BadArguments, match="has a name"):
        await letters.retry_group("")
