"""Books in Redis: compared and replaced under the lease, forgotten in time, and ours alone."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.engine import (
    Attempt,
    BadPayload,
    Client,
    Codec,
    DeadLetters,
    Effect,
    EffectState,
    LeaseLost,
    Place,
    RedisLedger,
)
from app.engine.redis import keys
from app.engine.redis.book import RedisShelf
from tests.engine.jobs import write
from tests.engine.steps import buried, claim
from tests.rights import asked

MAIL = Place(run_id="run-1", origin="run-1@0", name="mail")
ORDER = Place(run_id="run-1", origin="run-1@0", name="order:7", is_shared=True)
OTHER = replace(MAIL, name="call")
BEGUN = Effect(
    place=MAIL, state=EffectState.BEGUN, by="a", job="t.t", attempt=1, worker="w1", since=0
)
ASKS = replace(BEGUN, asks=True)
DONE = replace(BEGUN, state=EffectState.DONE, result=b"\x01")
DOUBT = replace(BEGUN, state=EffectState.IN_DOUBT)
LEASE = "w1:1"


@pytest.fixture
async def redis(client: Client) -> Any:
    """As it is, with a lease on the run."""
    anybody: Any = client.store.redis
    await anybody.set(keys.lease("run-1"), LEASE)
    return anybody


@pytest.fixture
def ledger(client: Client, codec: Codec) -> RedisLedger:
    return RedisLedger(client.store, codec)


@pytest.fixture
async def emptied(redis: Any) -> Any:
    """Whatever the test leaves of a run that there never was is removed."""
    yield redis
    await asked(redis, "FLUSHDB")


async def test_what_is_known_is_replaced_and_the_rest_is_told(
    ledger: RedisLedger, emptied: Any
) -> None:
    first = await ledger.swap(MAIL, None, BEGUN, lease=LEASE)
    again = await ledger.swap(MAIL, None, replace(BEGUN, by="b"), lease=LEASE)
    ended = await ledger.swap(MAIL, BEGUN, DONE, lease="")
    repeated = await ledger.swap(MAIL, BEGUN, DONE, lease="")
    removed = await ledger.swap(MAIL, DONE, None, lease="")

    assert first == again == BEGUN
    assert ended == repeated == DONE
    assert removed is None
    assert not await emptied.exists(keys.book("run-1"))


async def test_without_the_lease_nothing_is_written(ledger: RedisLedger, emptied: Any) -> None:
    with pytest.raises(LeaseLost):
        await ledger.swap(MAIL, None, BEGUN, lease="w2:1")

    assert not await emptied.exists(keys.book("run-1"))
    assert not await emptied.exists(keys.attempts("run-1"))


async def test_a_run_with_a_book_is_counted_from_then_on(ledger: RedisLedger, emptied: Any) -> None:
    await ledger.swap(MAIL, None, BEGUN, lease=LEASE)

    assert await emptied.get(keys.attempts("run-1")) == b"1"


async def test_a_shared_effect_is_forgotten_after_a_week_unless_it_is_in_doubt(
    ledger: RedisLedger, emptied: Any
) -> None:
    begun, doubt = replace(BEGUN, place=ORDER), replace(DOUBT, place=ORDER)
    book = keys.book("/order:7")

    await ledger.swap(ORDER, None, begun, lease=LEASE)
    week = await emptied.ttl(book)
    await ledger.swap(ORDER, begun, doubt, lease="")
    for_ever = await emptied.ttl(book)

    assert 6 * 86_400 < week <= 7 * 86_400
    assert for_ever == -1
    assert await ledger.in_doubt(limit=10) == [doubt]


async def test_a_doubt_is_told_even_when_the_book_is_gone_and_until_it_is_settled(
    ledger: RedisLedger, emptied: Any
) -> None:
    await ledger.swap(MAIL, None, DOUBT, lease=LEASE)
    await emptied.delete(keys.book("run-1"))
    assert await ledger.in_doubt(limit=10) == [DOUBT]

    await ledger.swap(MAIL, DOUBT, None, lease="")

    assert await ledger.in_doubt(limit=10) == []


async def test_what_a_run_was_in_the_middle_of_is_in_doubt_once_the_run_is_dead(
    ledger: RedisLedger, emptied: Any
) -> None:
    await ledger.swap(MAIL, None, ASKS, lease=LEASE)
    await ledger.swap(OTHER, None, replace(BEGUN, place=OTHER), lease=LEASE)
    await emptied.set(keys.payload("run-1"), b"it is there")

    while_it_runs = await ledger.find_doubts()
    await emptied.delete(keys.payload("run-1"))
    once_it_is_dead = await ledger.find_doubts()
    again = await ledger.find_doubts()

    assert (while_it_runs, once_it_is_dead, again) == (0, 1, 0)
    assert [each.place for each in await ledger.in_doubt(limit=10)] == [MAIL]


async def test_what_was_under_way_is_looked_for_under_the_id_of_the_replay(
    client: Client, ledger: RedisLedger, emptied: Any
) -> None:
    first = await client.enqueue(write, "x")
    (run,) = (await claim(client.store)).runs
    place = replace(MAIL, run_id=first.id)
    asks = replace(ASKS, place=place)
    await ledger.swap(place, None, asks, lease=run.lease)
    await client.store.commit([buried(run)])

    again = await DeadLetters(client).retry(first.id)
    while_it_waits = await ledger.find_doubts()
    await emptied.delete(keys.payload(again.id))
    once_it_is_lost = await ledger.find_doubts()

    assert (while_it_waits, once_it_is_lost) == (0, 1)
    assert [each.place.run_id for each in await ledger.in_doubt(limit=10)] == [again.id]


class _Overtaken(RedisLedger):
    """Before it says that an effect is in doubt, a run of the same id begins it anew."""

    async def swap(
        self, place: Place, known: Effect | None, then: Effect | None, *, lease: str
    ) -> Effect | None:
        if known == ASKS:
            await super().swap(place, ASKS, None, lease="")
            await super().swap(place, None, replace(ASKS, by="b"), lease=LEASE)
        return await super().swap(place, known, then, lease=lease)


@pytest.mark.usefixtures("emptied")
async def test_what_was_begun_anew_while_the_doubt_was_found_is_still_looked_for(
    client: Client, codec: Codec, ledger: RedisLedger
) -> None:
    await ledger.swap(MAIL, None, ASKS, lease=LEASE)

    overtaken = await _Overtaken(client.store, codec).find_doubts()
    later = await ledger.find_doubts()

    assert (overtaken, later) == (0, 1)
    assert [each.by for each in await ledger.in_doubt(limit=10)] == ["b"]


async def test_a_mark_that_says_nothing_is_looked_for_once(
    ledger: RedisLedger, emptied: Any
) -> None:
    await emptied.hset(keys.BEGUN, "run-2|effect mail", b"\xff")

    assert await ledger.find_doubts() == 0
    assert not await emptied.exists(keys.BEGUN)


async def test_what_was_altered_in_redis_is_no_effect_of_ours(
    ledger: RedisLedger, emptied: Any
) -> None:
    await ledger.swap(MAIL, None, DONE, lease=LEASE)
    await emptied.hset(keys.book("run-1"), "effect mail", b"done|a|forged")
    await emptied.hset(keys.DOUBTS, "run-2|effect mail", b"\xff")

    with pytest.raises(BadPayload):
        await ledger.swap(MAIL, None, BEGUN, lease=LEASE)
    assert await ledger.in_doubt(limit=10) == []


async def test_a_result_is_read_in_its_place_only(
    client: Client, codec: Codec, attempt: Attempt, emptied: Any
) -> None:
    shelf, book = RedisShelf(client.store, codec), keys.book("run-1")
    await emptied.set(keys.lease("run-1"), attempt.lease)
    await shelf.check(attempt)
    await shelf.keep(attempt, "a", b"\x01")
    await emptied.hset(book, "step b", await emptied.hget(book, "step a"))

    assert await shelf.read(attempt, "a") == b"\x01"
    assert await shelf.read(attempt, "c") is None
    with pytest.raises(BadPayload, match="kept for another"):
        await shelf.read(attempt, "b")
    with pytest.raises(BadPayload, match="kept for another"):
        await shelf.read(replace(attempt, first="other@1"), "a")
