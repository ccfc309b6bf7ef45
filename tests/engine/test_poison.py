"""Bytes that nobody should run, among runs that everybody wants: they die, and hurt nobody."""

import sys
from random import Random
from typing import Any

import anyio
import pytest

from app.engine import NEVER, Codec, hours, job
from app.engine.doors.dead_letters import DeadLetter, DeadLetters
from app.engine.redis import keys
from tests.engine.conftest import Bench, Open, Workshop
from tests.engine.jobs import write
from tests.engine.poison import Poison
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

GOOD = 200
KEPT = 64 * 1024  # bytes of what can't be read
REASONS = {"app.engine.errors.BadPayload", "app.engine.errors.BadArguments"}
unpickled: list[str] = []
"""What was looked up for a pickle, in this process, from the first test here on."""


def watch_pickles() -> None:
    """Begin to listen; nothing can end it."""

    def heard(event: str, args: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":
            unpickled.append(f"{args}")

    sys.addaudithook(heard)


@job(name="test.poisoned", queue="default", retry=NEVER)
async def poisoned(ctx: Bench, text: str) -> int:
    """Must not run."""
    ctx.page.append(f"poisoned {text}")
    return 0


@job(name="test.hurried", queue="urgent", retry=NEVER)
async def hurried(ctx: Bench, text: str) -> int:
    """Must not run, either."""
    ctx.page.append(f"hurried {text}")
    return 0


@pytest.mark.case(38)
@pytest.mark.timeout(400)
async def test_poison_dies_with_its_bytes_and_hurts_nobody(
    workshop: Open, codec: Codec, tier: Tier, seed: int, case: Case
) -> None:
    watch_pickles()
    count = tier.of(400, 10_000)
    largest = tier.of(1_000_000, 16_000_000, 64_000_000)
    poison = Poison(codec=codec, dice=Random(seed), largest=largest)
    async with workshop(write, poisoned, hurried) as shop:
        over = await whole_ones(shop)
        poison.others = list(over.values())
        bad = await spread(shop, poison, count) | over

        with anyio.fail_after(300):
            await shop.worker(burst=True).run()

        assert sorted(shop.page) == sorted(f"good {n}" for n in range(GOOD))
        letters = {each.id: each for each in await DeadLetters(shop.client).list(limit=2 * count)}
        assert letters.keys() == bad.keys()
        for id, spoiled in bad.items():
            assert keeps(letters[id], spoiled)
        assert {letter.last.kind for letter in letters.values()} <= REASONS
        assert unpickled == []
    case.says(
        f"{count} bad payloads among {GOOD} good runs, seed {seed}",
        arq="the worker dies on 5 of 5 that were crafted, pickles run",
        steward=f"{GOOD} of {GOOD} good ones ran, {len(letters)} dead letters, no function called",
    )


async def whole_ones(shop: Workshop) -> dict[str, bytes]:
    """Payloads by id, back on their queues: of a run that is over, of two that were cancelled."""
    redis, payloads = shop.client.store.redis, dict[str, bytes]()
    for kind, delay in ((write, None), (write, hours(1)), (hurried, hours(1))):
        handle = await shop.client.enqueue(kind.with_options(delay=delay), "moved")
        payloads[handle.id] = await redis.get(keys.payload(handle.id))
        if delay:
            await handle.cancel()
    await shop.drain()
    assert shop.page.pop() == "moved"
    for (id, sealed), queue in zip(payloads.items(), ("default", "default", "urgent"), strict=True):
        await redis.set(keys.payload(id), sealed)
        await redis.zadd(keys.queue(queue), {id: 1})
    return payloads


async def spread(shop: Workshop, poison: Poison, count: int) -> dict[str, bytes]:
    """Enqueue good runs, and others that are then spoiled: their bytes, by id."""
    calls = [(write, f"good {n}") for n in range(GOOD)] + [(poisoned, "x") for _ in range(count)]
    poison.dice.shuffle(calls)
    handles = await shop.client.enqueue_many(each.call(text) for each, text in calls)
    pairs = zip(calls, handles, strict=True)
    ids = [handle.id for (each, _), handle in pairs if each is not write]
    redis = shop.client.store.redis
    sealed = await redis.mget([keys.payload(id) for id in ids])
    bad = {id: poison.spoil(each) for id, each in zip(ids, sealed, strict=True)}
    for id, spoiled in bad.items():
        await redis.set(keys.payload(id), spoiled)
    return bad


def keeps(letter: DeadLetter, spoiled: bytes) -> bool:
    """Whether it has the bytes, whole if they could be read."""
    is_readable = letter.last.kind == "app.engine.errors.BadArguments"
    return letter.payload == (spoiled if is_readable else spoiled[:KEPT])
