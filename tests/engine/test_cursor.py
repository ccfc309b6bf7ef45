"""Where a claim goes on: behind the last run that was claimed, for half a second."""

import pytest

from app.engine import Client, ManualClock, hours, seconds
from app.engine.redis import keys
from app.engine.redis.store import Store
from app.engine.run import Claimed
from tests.engine.jobs import write
from tests.engine.steps import (
    QUEUES,
    alive,
    claim,
    claimed_ids,
    completed,
    put,
    put_back,
    set_aside,
)

HALF_A_SECOND = seconds(0.5)


@pytest.fixture
def store(client: Client) -> Store:
    """The client's."""
    return client.store


class Held:
    """The runs a test holds, by id."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.runs = dict[str, Claimed]()

    async def claim(self, worker: str = "w1", *, want: int = 10) -> list[str]:
        """Claim, and remember."""
        runs = (await claim(self.store, worker, want=want)).runs
        self.runs |= {run.id: run for run in runs}
        return [run.id for run in runs]


@pytest.fixture
def held(store: Store) -> Held:
    """Nothing yet."""
    return Held(store)


async def end(held: Held) -> None:
    """All of them succeed."""
    await held.store.commit([completed(run) for run in held.runs.values()])


async def test_claims_in_a_row_take_each_run_once_and_in_order(client: Client, held: Held) -> None:
    handles = await client.enqueue_many(write.call(str(n)) for n in range(30))

    async with alive(held.store, "w1", "w2"):
        taken = [id for n in range(10) for id in await held.claim(f"w{n % 2 + 1}", want=3)]

    assert taken == [each.id for each in handles]
    await end(held)


async def test_a_claim_says_whether_it_looked_at_all_there_is(client: Client, held: Held) -> None:
    async with alive(held.store, "w1"):
        await put(client, write, "x")
        await held.claim()
        behind = (await claim(held.store)).is_all
        await end(held)

    assert not behind
    assert (await claim(held.store)).is_all


async def test_a_dead_workers_run_is_found_when_the_cursor_is_old(
    client: Client, clock: ManualClock, held: Held
) -> None:
    id = await put(client, write, "x")
    await held.claim("doomed")
    hasty = await held.claim("w2")

    clock.advance(HALF_A_SECOND)

    assert (hasty, await held.claim("w2")) == ([], [id])
    assert held.runs[id].attempt == 2
    await end(held)


async def test_a_cursor_in_use_grows_old_all_the_same(
    client: Client, clock: ManualClock, held: Held
) -> None:
    lost = await put(client, write, "lost")
    await held.claim("doomed")

    async with alive(held.store, "w2"):
        for _ in range(4):
            clock.advance(seconds(0.1))
            await put(client, write, "other")
            assert len(await held.claim("w2")) == 1
        clock.advance(seconds(0.1))

        assert await held.claim("w2") == [lost]
    await end(held)


async def test_a_run_given_back_is_found_at_once(client: Client, held: Held) -> None:
    first = await put(client, write, "first")
    second = await put(client, write, "second")
    async with alive(held.store, "w1", "w2"):
        await held.claim()
        await held.store.commit([put_back(held.runs[first], is_charged=False)])

        assert await held.claim("w2") == [first]
        assert held.runs[second].lease.startswith("w1")
    await end(held)


async def test_a_run_tried_again_at_once_is_found_at_once(client: Client, held: Held) -> None:
    first = await put(client, write, "first")
    await put(client, write, "second")
    async with alive(held.store, "w1", "w2"):
        await held.claim()
        await held.store.commit([put_back(held.runs[first], seconds(0))])

        assert await held.claim("w2") == [first]
    await end(held)


async def test_a_restored_run_is_found_by_the_worker_that_restored_it(
    client: Client, held: Held
) -> None:
    first = await put(client, write, "first")
    await put(client, write, "second")
    async with alive(held.store, "w1", "w2"):
        await held.claim()
        await held.store.commit([set_aside(held.runs.pop(first))])
        await held.store.unpark("w2", 10, QUEUES, [("test.write", 1)])

        assert await claimed_ids(held.store, "w1") == []
        run = (await claim(held.store, "w2", mine=[])).runs[0]
        assert run.id == first
        held.runs[first] = run
    await end(held)


async def test_a_cursor_whose_run_ended_still_shows_the_place(client: Client, held: Held) -> None:
    handles = await client.enqueue_many(write.call(str(n)) for n in range(9))
    async with alive(held.store, "w1"):
        await held.claim(want=3)
        last = held.runs.pop(handles[2].id)
        await held.store.commit([completed(last)])

        assert await held.claim(want=3) == [each.id for each in handles[3:6]]
        assert await held.claim() == [each.id for each in handles[6:]]
    await end(held)


async def test_a_clock_set_back_hides_nothing(
    client: Client, clock: ManualClock, held: Held
) -> None:
    async with alive(held.store, "w1"):
        await put(client, write, "before")
        await held.claim()
        clock.advance(-hours(1))
        after = await put(client, write, "after")

        assert await held.claim() == [after]
    await end(held)


async def test_a_plain_clients_run_of_the_past_is_found_when_the_cursor_is_old(
    client: Client, clock: ManualClock, held: Held
) -> None:
    """A plain client's clock gives its runs their places."""
    async with alive(held.store, "w1"):
        await put(client, write, "ours")
        await held.claim()
        late = await put(client, write, "theirs")
        await held.store.redis.zincrby(keys.queue("default"), -5000, late)
        hasty = await held.claim()

        clock.advance(HALF_A_SECOND)

        assert (hasty, await held.claim()) == ([], [late])
    await end(held)


async def test_the_cursor_goes_by_itself(client: Client, held: Held) -> None:
    await put(client, write, "x")
    await held.claim()

    assert 0 < await held.store.redis.pttl(keys.claimed("default")) <= 500
    await end(held)
