"""Ids and moments that no client of ours writes: refused at the door, and buried when found."""

from typing import Any

import pytest
from redis.exceptions import ResponseError

from app.engine import BadArguments, Client, RunStatus
from app.engine.doors.dead_letters import DeadLetters
from app.engine.redis import keys
from tests.engine.conftest import Open, Workshop
from tests.engine.jobs import write
from tests.engine.steps import keys_of
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.rights import asked

TEXTS = (
    *("", "\0", "a\0b", "a\r\nb", "*", "?", "[a]", "{a}", "a|b", "../a", "a/../b", "a b"),
    *("\u202ecod", "ä", "\udcff", "x" * 201, "x" * 1_000_000),
)
RAW = (
    *(b"", b"\0", b"a\0b", b"a\r\nb", b"*?[]{}:", b"../../etc/passwd", b"a|b|c", b"'; drop"),
    *("\u202ecod".encode(), "ä".encode(), b"\xff\xfe", b"\xed\xa0\x80", b"half \xc3", b"\x80"),
    b"x" * 1_000_000,
)
DUE = ("-inf", "-1e300", "-1", "0", "1", "0.5")
NEVER_DUE = ("inf", "1e18", "1e300")
QUEUE = keys.queue("default")


@pytest.mark.case(39)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("name", ["id", "key", "owner"])
async def test_an_odd_name_is_refused_and_nothing_is_written(
    client: Client, name: str, text: str
) -> None:
    odd: dict[str, Any] = {name: text}
    with pytest.raises(BadArguments, match=name):
        await client.enqueue(write.with_options(**odd), "x")

    assert await keys_of(client) == set()


@pytest.mark.case(39)
async def test_odd_ids_found_in_a_queue_are_buried_and_the_queue_moves_on(
    workshop: Open, case: Case
) -> None:
    async with workshop(write) as shop:
        for place, id in enumerate(RAW):
            await put(shop, id, f"{place}", payload=b"not ours" if place % 2 else None)
        await shop.client.enqueue_many(write.call(f"{n}") for n in range(20))

        await shop.drain()

        letters = await DeadLetters(shop.client).list(limit=100)
        assert sorted(shop.page) == sorted(f"{n}" for n in range(20))
        assert len(letters) == len(RAW)
        assert await shop.client.store.redis.exists(QUEUE) == 0
    case.says(
        f"{len(TEXTS)} odd ids enqueued, {len(RAW)} found in a queue",
        arq="one that is no UTF-8 ends every worker",
        steward="the first refused with nothing written, the others dead letters",
    )


@pytest.mark.case(39)
async def test_odd_moments_neither_stop_a_queue_nor_whoever_looks(
    workshop: Open, case: Case
) -> None:
    async with workshop(write) as shop:
        for due in (*DUE, *NEVER_DUE):
            await put(shop, f"due {due}".encode(), due, payload=b"not ours")
        with pytest.raises(ResponseError, match="float"):
            await put(shop, b"nan", "nan", payload=None)
        good = [await shop.client.enqueue(write, f"{n}") for n in range(20)]
        (depth,) = [each for each in await shop.client.queues() if each.name == "default"]
        listed = await shop.client.find(queue="default")
        assert depth.ready == len(DUE) + len(good)
        assert len(listed) == len(DUE) + len(NEVER_DUE) + len(good)

        async with shop.working():
            await eventually(lambda: len(shop.heard) == len(DUE) + len(good))

        assert len(shop.page) == len(good)
        dead = {each.id for each in await DeadLetters(shop.client).list()}
        assert dead == {f"due {due}" for due in DUE}
        assert {await each.status() for each in good} == {RunStatus.SUCCEEDED}
        await asked(shop.client.store.redis, "FLUSHDB")  # what is never due is a leak here
    case.says(
        f"{len(DUE + NEVER_DUE)} odd moments, from -inf to inf; NaN is refused by Redis",
        arq="100 at zero block a queue for ever",
        steward="what is due is done, the others wait, the listings list them",
    )


async def put(shop: Workshop, id: bytes, due: str, *, payload: bytes | None) -> None:
    """As anybody can who may write to Redis."""
    redis: Any = shop.client.store.redis
    if payload is not None:
        await redis.set(keys.JOB.encode() + id, payload)
    await redis.execute_command("ZADD", QUEUE, due, id)
