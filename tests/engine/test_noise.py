"""Answers of Redis that arrive in pieces, cut, or as noise: each run is done, and done once."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from arq.connections import RedisSettings

from app.engine import Call, Client, Codec, Handle, RunFailed, Unavailable, seconds
from app.engine.redis.steps import source
from tests.engine.conftest import Workshop, workshop_at
from tests.engine.jobs import die, fail, write
from tests.eventually import eventually
from tests.noise import Noise, Spoil, noisy
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

LONG = pytest.mark.tier("T2")
POLL, SOON = seconds(0.2), seconds(20)
STEPS = ("enqueue_one", "claim", "complete", "retry", "bury", "say")
CALLS: tuple[Call[Any], ...] = (write.call("x"), fail.call(), die.call("x"))
ATTEMPTS = 1 + 3 + 1

SPOILT = {
    "reset in the middle": Spoil(share=0.5, is_reset=True),
    "reset after one byte": Spoil(before=b"*", share=0, is_reset=True),
    "not RESP": Spoil(before=b"HTTP/1.1 400 Bad Request\r\n\r\n", share=0),
    "zeros": Spoil(before=bytes(64), share=0),
    "an impossible length": Spoil(before=b"$99999999999999999999999\r\n", share=0),
}
PUSHES = {
    "an unknown push": b">2\r\n+weather\r\n+fine\r\n",
    "an empty push": b">0\r\n",
    "a hand-over of nothing": b">3\r\n+message\r\n+steward:hand-over:x\r\n+nothing\r\n",
    "an invalidation of a number": b">2\r\n+invalidate\r\n:5\r\n",
}


@pytest.fixture
async def noise(clean_redis: RedisSettings) -> AsyncGenerator[Noise]:
    async with noisy(clean_redis) as opened:
        yield opened


@pytest.fixture
async def shop(noise: Noise, codec: Codec) -> AsyncGenerator[Workshop]:
    """A workshop with noise on its way to Redis."""
    async with workshop_at(noise.settings, codec, write, fail, die) as opened:
        yield opened


@pytest.fixture
async def stranger(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[Client]:
    """A client with a way of its own."""
    async with Client.open(clean_redis, codec) as opened:
        yield opened


async def spoil(noise: Noise, stranger: Client, how: Spoil, step: str) -> None:
    """The next answer of such a step comes like this."""
    sha: Any = await stranger.store.redis.script_load(source(step))
    noise.spoil(how, to=sha.encode())


def patient(shop: Workshop, codec: Codec) -> Client:
    """The workshop's client, on the worker's own connection, that tries for long."""
    return Client(shop.client.store, codec, jobs=shop.jobs, patience=SOON)


async def are_over(stranger: Client, handles: list[Handle[Any]]) -> None:
    """Each has ended."""
    for handle in handles:
        with suppress(RunFailed):
            await stranger.run(handle.id).result(within=SOON)


async def are_done(
    shop: Workshop, client: Client, noise: Noise, stranger: Client, how: Spoil, steps: Sequence[str]
) -> None:
    """All calls, each step's answer spoilt once: each attempt is made, and made once."""
    handles = list[Handle[Any]]()
    async with shop.working(poll=POLL):
        await (await client.enqueue(write, "warm")).result(within=SOON)
        for step in steps:
            await spoil(noise, stranger, how, step)
            for call in CALLS:
                handles.append(await client.enqueue_call(call))
            await eventually(lambda: noise.has_spoilt_it, within=SOON)
        await are_over(stranger, handles)
        await eventually(lambda: len(shop.heard) > ATTEMPTS * len(steps), within=SOON)
    assert len(shop.page) == len(shop.heard) == 1 + ATTEMPTS * len(steps)
    assert len({handle.id for handle in handles}) == len(handles)


@pytest.mark.case(22)
async def test_answers_in_single_bytes_are_answers(
    shop: Workshop, noise: Noise, stranger: Client, tier: Tier, case: Case
) -> None:
    noise.is_chopped = True
    rounds = tier.of(5, 40)

    async with shop.working(poll=POLL):
        handles = [await shop.client.enqueue_call(call) for call in CALLS * rounds]
        await are_over(stranger, handles)
        await eventually(lambda: len(shop.heard) >= ATTEMPTS * rounds, within=SOON)

    assert len(shop.page) == len(shop.heard) == ATTEMPTS * rounds
    case.says(
        f"{len(handles)} runs, each answer of Redis in single bytes",
        steward=f"{len(shop.page)} attempts, each made once",
    )


@pytest.mark.case(22)
@pytest.mark.parametrize("name", SPOILT)
async def test_a_spoilt_answer_breaks_the_connection_and_nothing_else(
    shop: Workshop, noise: Noise, stranger: Client, codec: Codec, name: str, case: Case
) -> None:
    await are_done(shop, patient(shop, codec), noise, stranger, SPOILT[name], STEPS)

    case.says(
        f"the answer to each of {len(STEPS)} steps spoilt: {name}",
        steward=f"{len(shop.page)} attempts, each made once, the worker lives",
    )


@pytest.mark.case(22)
@pytest.mark.parametrize("name", PUSHES)
async def test_what_nobody_asked_for_hinders_no_answer(
    shop: Workshop,
    noise: Noise,
    stranger: Client,
    name: str,
    case: Case,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pushed = Spoil(before=PUSHES[name])
    await are_done(shop, shop.client, noise, stranger, pushed, STEPS[:-1])

    assert "waits for Redis" not in caplog.text  # the connection stands
    case.says(
        f"{name} before the answer to each of {len(STEPS) - 1} steps",
        steward=f"{len(shop.page)} attempts, each made once, on the same connection",
    )


@LONG
@pytest.mark.case(22)
async def test_an_answer_without_an_end_is_given_up(
    shop: Workshop, noise: Noise, stranger: Client, codec: Codec, case: Case
) -> None:
    endless = Spoil(before=b"$999999999999\r\n")
    await are_done(shop, patient(shop, codec), noise, stranger, endless, STEPS)

    case.says(
        f"an answer of 1 TB announced to each of {len(STEPS)} steps",
        steward=f"given up in time; {len(shop.page)} attempts, each made once",
    )


@pytest.mark.case(22)
@pytest.mark.parametrize(
    "why",
    [
        "CLUSTERDOWN The cluster is down",
        "ERR something new",
        pytest.param("BUSY Redis is busy running a script.", marks=LONG),
        pytest.param("MASTERDOWN Link with MASTER is down", marks=LONG),
        pytest.param("TRYAGAIN Multiple keys request during rehashing of slot", marks=LONG),
    ],
    ids=lambda why: why.partition(" ")[0],
)
async def test_a_refusal_is_unavailable_and_the_worker_waits_for_its_end(
    shop: Workshop,
    noise: Noise,
    stranger: Client,
    codec: Codec,
    why: str,
    case: Case,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hasty = Client(shop.client.store, codec, jobs=shop.jobs, patience=seconds(0.2))
    async with shop.working(poll=POLL):
        handles = [await shop.client.enqueue_call(call) for call in CALLS]

        noise.refuse(why)
        with pytest.raises(Unavailable, match=why.partition(" ")[0]):
            await hasty.enqueue(write, "refused")
        handles += await stranger.enqueue_many(CALLS)
        await eventually(lambda: "waits for Redis" in caplog.text)
        noise.refuse("")

        handles += [await shop.client.enqueue_call(call) for call in CALLS]
        await are_over(stranger, handles)
        await eventually(lambda: len(shop.heard) >= 3 * ATTEMPTS, within=SOON)

    assert len(shop.page) == len(shop.heard) == 3 * ATTEMPTS
    case.says(
        f"every script refused for a while: {why.partition(' ')[0]}",
        steward="Unavailable within the patience; the worker waits; every attempt made once",
    )
