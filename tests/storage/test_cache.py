"""The cache: what it gives out and until when, and what a clean-up drops."""

from datetime import timedelta
from os import urandom

import pytest
from sqlalchemy import update

from app.engine import hours
from app.storage.cache import LARGEST, Cache, CacheRow
from app.storage.database import Database
from tests.storage.still_clock import TICK, StillClock

HOUR = hours(1)


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture
def cache(database: Database, still: StillClock) -> Cache:
    return Cache(database, now=still.now)


async def change(database: Database, which: str, /, **values: object) -> None:
    async with database.write() as session:
        await session.execute(update(CacheRow).where(CacheRow.key == which).values(**values))


async def test_what_was_put_there_comes_back(cache: Cache) -> None:
    assert await cache.put("a", b"one", keep=HOUR)
    assert await cache.put("a", b"two" * 100_000, keep=HOUR)

    assert await cache.get("a") == b"two" * 100_000
    assert await cache.get("b") is None


async def test_it_is_there_until_its_deadline_and_not_at_it(
    cache: Cache, still: StillClock
) -> None:
    await cache.put("a", b"x", keep=HOUR)

    still.advance(HOUR - TICK)
    assert await cache.get("a") == b"x"
    assert (await cache.clean()).expired == 0
    still.advance(TICK)
    assert await cache.get("a") is None
    assert (await cache.clean()).expired == 1
    assert await cache.size() == 0


async def test_a_damaged_entry_is_not_given_out_and_is_dropped(
    cache: Cache, database: Database
) -> None:
    for key in ("damaged", "cut", "swapped", "fine"):
        await cache.put(key, key.encode() * 100, keep=HOUR)
    await change(database, "damaged", value=b"\0" * 10)
    await change(database, "cut", value=b"")
    await change(database, "swapped", key="other")

    assert [await cache.get(key) for key in ("damaged", "cut", "other")] == [None] * 3
    cleaned = await cache.clean()

    assert (cleaned.invalid, cleaned.expired, cleaned.kept) == (3, 0, 1)
    assert await cache.get("fine") == b"fine" * 100


async def test_an_entry_from_the_future_is_not_given_out(cache: Cache, still: StillClock) -> None:
    await cache.put("a", b"x", keep=HOUR)
    still.advance(-timedelta(minutes=10))

    assert await cache.get("a") is None
    assert (await cache.clean()).invalid == 1


async def test_bytes_are_counted_as_they_are_stored_and_a_dry_run_counts_the_same(
    cache: Cache, still: StillClock
) -> None:
    noise = urandom(10_000)
    for key in map(str, range(30)):
        await cache.put(key, noise, keep=HOUR)
    still.advance(HOUR)

    dry = await cache.clean(dry_run=True)
    assert await cache.size() == 30
    real = await cache.clean()

    assert (dry.expired, dry.freed_bytes) == (real.expired, real.freed_bytes)
    assert real.expired == 30
    assert 30 * 10_000 < real.freed_bytes < 30 * 10_100


async def test_past_its_room_the_first_to_expire_go(database: Database, still: StillClock) -> None:
    cache = Cache(database, room=25_000, now=still.now)
    for number in (3, 1, 2):
        await cache.put(str(number), urandom(10_000), keep=number * HOUR)

    cleaned = await cache.clean()

    assert (cleaned.crowded_out, cleaned.kept) == (1, 2)
    assert await cache.get("1") is None
    assert await cache.get("3") is not None


async def test_what_is_too_large_is_not_kept_and_neither_is_what_was_there(cache: Cache) -> None:
    await cache.put("a", b"small", keep=HOUR)

    assert not await cache.put("a", urandom(LARGEST + 1), keep=HOUR)
    assert await cache.get("a") is None


@pytest.mark.parametrize("key", ["", "a\nb", "a\0", "x" * 201])
async def test_a_key_is_a_name(cache: Cache, key: str) -> None:
    with pytest.raises(ValueError, match="key of the cache"):
        await cache.put(key, b"x", keep=HOUR)


async def test_it_can_be_forgotten(cache: Cache) -> None:
    await cache.put("a", b"x", keep=HOUR)
    await cache.forget("a")

    assert await cache.get("a") is None
