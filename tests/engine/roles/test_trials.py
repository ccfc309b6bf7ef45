"""Runs that workers may have died of: who is charged, who is tried, who goes on."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from time import monotonic

import anyio
import pytest

from app.engine import NEVER, Client, DeadLetters, Fixed, RunStatus, job, seconds
from app.engine.outcome import Outcome, Succeeded
from app.engine.redis.store import Store
from app.engine.redis.suspects import Suspects
from app.engine.roles.running import Running
from app.engine.roles.slots import Slots
from app.engine.roles.trials import Place
from app.engine.run import Claimed
from tests.engine.conftest import Bench, Open
from tests.engine.jobs import AT_ONCE, pass_gate, write
from tests.engine.steps import (
    LEASE,
    QUEUES,
    alive,
    claim,
    claimed_ids,
    completed,
    dies,
    put_back,
    running,
    trials_of,
)
from tests.eventually import eventually

NAP = 0.1  # s
TIMER = 0.002  # s by which one may be early


@job(name="test.twice", queue="default", retry=Fixed(AT_ONCE, attempts=2))
async def twice(ctx: Bench) -> int:
    """May be tried once more."""
    return ctx.attempt.number


@job(name="test.once", queue="default", retry=NEVER)
async def once(ctx: Bench) -> int:
    """Must not begin again."""
    return ctx.attempt.number


@job(name="test.tell_last", queue="default", retry=Fixed(AT_ONCE, attempts=2))
async def tell_last(ctx: Bench) -> bool:
    """Fail while there is another try."""
    ctx.page.append(f"try {ctx.attempt.number}, last: {ctx.attempt.is_last}")
    if not ctx.attempt.is_last:
        raise RuntimeError("not yet")
    return True


@pytest.fixture
def store(client: Client) -> Store:
    return client.store


async def crash(store: Store, worker: str, *, begun: Sequence[str] = ()) -> list[Claimed]:
    """A worker takes all there is, begins some of it, and dies."""
    runs = [*(await claim(store, worker)).runs]
    for run in sorted((r for r in runs if r.id in begun), key=lambda r: begun.index(r.id)):
        await Suspects(store).begin(run)
    await dies(store, worker)
    return runs


async def take(store: Store, worker: str = "w1") -> Claimed:
    found = await Suspects(store).take(worker, QUEUES, lease=LEASE)
    assert found
    return found.run


async def test_after_one_crash_all_begin_again_without_a_charge(
    client: Client, store: Store
) -> None:
    ids = {(await client.enqueue(write, text)).id for text in "abc"}
    await crash(store, "doomed")

    again = (await claim(store)).runs

    assert {run.id for run in again} == ids
    assert {(run.attempt, run.charged, run.crashes) for run in again} == {(2, 1, 1)}
    await store.commit([completed(run) for run in again])


async def test_after_two_they_are_tried_one_by_one_the_last_begun_first(
    client: Client, store: Store
) -> None:
    a, b, c = [(await client.enqueue(write, text)).id for text in "abc"]
    await crash(store, "doomed1")
    await crash(store, "doomed2", begun=[c, a, b])

    assert await claimed_ids(store) == []
    tried = [await take(store) for _ in range(3)]

    assert [run.id for run in tried] == [b, a, c]
    assert {(run.attempt, run.charged, run.crashes) for run in tried} == {(3, 1, 2)}
    assert await Suspects(store).take("w1", QUEUES, lease=LEASE) is None
    await store.commit([completed(run) for run in tried])


async def test_what_had_not_begun_again_is_no_suspect(client: Client, store: Store) -> None:
    a, b = [(await client.enqueue(write, text)).id for text in "ab"]
    await crash(store, "doomed1")
    await crash(store, "doomed2", begun=[a])

    free = (await claim(store)).runs

    assert [(run.id, run.crashes, run.charged) for run in free] == [(b, 1, 1)]
    suspect = await take(store)
    assert suspect.id == a
    await store.commit([completed(run) for run in (*free, suspect)])


async def test_an_attempt_that_ended_clears_a_run(client: Client, store: Store) -> None:
    await client.enqueue(write, "x")
    for n in range(3):
        runs = await crash(store, f"doomed{n}", begun=[])
        assert len(runs) == 1  # it had begun in none but the first: else it would be tried
        async with alive(store, "w1"):
            (run,) = (await claim(store)).runs
            await store.commit([put_back(run, seconds(0))])

    (run,) = (await claim(store)).runs

    assert (run.crashes, run.uncharged, run.charged) == (0, 3, 4)
    await store.commit([completed(run)])


async def test_a_suspect_is_shown_as_waiting_and_can_be_cancelled(
    client: Client, store: Store
) -> None:
    handle = await client.enqueue(write, "x")
    await crash(store, "doomed1")
    await crash(store, "doomed2", begun=[handle.id])
    await claim(store)

    assert await handle.status() == RunStatus.QUEUED
    assert await handle.cancel()
    assert await handle.status() == RunStatus.CANCELLED
    assert await Suspects(store).take("w1", QUEUES, lease=LEASE) is None


async def test_a_worker_tries_suspects_and_all_innocents_are_done(workshop: Open) -> None:
    async with workshop(write) as shop:
        handles = [await shop.client.enqueue(write, text) for text in "abcde"]
        ids = [each.id for each in handles]
        await crash(shop.client.store, "doomed1")
        await crash(shop.client.store, "doomed2", begun=ids)

        await shop.drain()

        assert sorted(shop.page) == [*"abcde"]
        assert [await each.result() for each in handles] == [1] * 5
        assert await DeadLetters(shop.client).count() == 0


class _Timed(Slots):
    """Slots that note when they were closed, and for how long."""

    def __init__(self) -> None:
        super().__init__(10, grace=seconds(1), ended=lambda running, _: self.done.append(running))
        self.done = list[Running]()
        self.closings = list[tuple[float, float]]()

    @contextmanager
    def closed(self) -> Generator[None]:
        """Note it."""
        began = monotonic()
        with super().closed():
            yield
        self.closings.append((began, monotonic()))


async def test_each_worker_leaves_others_as_much_time_as_its_trials_take(
    client: Client, store: Store
) -> None:
    fleet = {"w1": _Timed(), "w2": _Timed()}
    handles = [await client.enqueue(write, text) for text in "abcdef"]
    await crash(store, "doomed1")
    await crash(store, "doomed2", begun=[each.id for each in handles])
    await claim(store)

    async with anyio.create_task_group() as group:
        for name, slots in fleet.items():
            group.start_soon(_try_all, store, name, slots)
        await eventually(lambda: sum(len(each.closings) for each in fleet.values()) == 6)
        group.cancel_scope.cancel()

    for slots in fleet.values():
        trials = slots.closings
        assert len(trials) > 1
        for (began, ended), (next_began, _) in pairwise(trials):
            assert ended - began >= NAP
            assert next_began - ended >= ended - began - TIMER
    tried = [running.run for slots in fleet.values() for running in slots.done]
    await store.commit([completed(run) for run in tried])


async def _try_all(store: Store, worker: str, slots: Slots) -> None:
    def start(run: Claimed) -> None:
        slots.start(running(run, write), _nap)

    await trials_of(store, worker).run(Place(slots=slots, settled=_at_once, start=start))


async def _at_once() -> None:
    """Wait for nothing: there are no claims."""


async def _nap(_: Running) -> Outcome:
    await anyio.sleep(NAP)
    return Succeeded(None)


async def test_one_that_goes_on_for_longer_than_it_lived_is_cleared(workshop: Open) -> None:
    async with workshop(pass_gate) as shop:
        handles = [await shop.client.enqueue(pass_gate, text) for text in "ab"]
        await crash(shop.client.store, "doomed1")
        await crash(shop.client.store, "doomed2", begun=[each.id for each in handles])

        async with shop.working(lease=seconds(1)):
            await eventually(lambda: len(shop.page) == 2, within=seconds(20))
            shop.gate.set()
            said = [await each.result(within=seconds(5)) for each in handles]

        assert said == ["a, attempt 3", "b, attempt 3"]


async def test_a_job_with_fewer_attempts_is_tried_sooner(workshop: Open) -> None:
    async with workshop(twice) as shop:
        handle = await shop.client.enqueue(twice)
        await crash(shop.client.store, "doomed")

        await shop.drain()

        assert await handle.result() == 2
        assert [over.run.crashes for over in shop.heard] == [1]


async def test_a_job_that_must_not_be_tried_again_is_dead_after_one_crash(workshop: Open) -> None:
    async with workshop(once) as shop:
        handle = await shop.client.enqueue(once)
        await crash(shop.client.store, "doomed")

        await shop.drain()

        letter = await DeadLetters(shop.client).get(handle.id)
        assert letter.last.message.startswith("crashed 1x")


async def test_a_crash_takes_no_try_from_a_job(workshop: Open) -> None:
    async with workshop(tell_last) as shop:
        handle = await shop.client.enqueue(tell_last)
        await crash(shop.client.store, "doomed")

        async with shop.working():
            assert await handle.result(within=seconds(10)) is True

        assert shop.page == ["try 2, last: False", "try 3, last: True"]


async def test_one_that_is_given_back_for_a_trial_has_not_begun(
    client: Client, store: Store
) -> None:
    handle = await client.enqueue(write, "x")
    await crash(store, "doomed")
    (run,) = (await claim(store)).runs

    await Suspects(store).doubt(run)

    assert await handle.status() == RunStatus.QUEUED
    assert await claimed_ids(store, "w2") == []
    again = await take(store)
    assert (again.attempt, again.charged) == (2, 1)
    await store.commit([completed(again)])


async def test_one_that_nobody_can_tell_of_yet_is_not_charged_beside_others(
    client: Client, store: Store
) -> None:
    await client.enqueue(write, "x")
    await crash(store, "doomed1")
    (run,) = (await claim(store, "doomed2")).runs
    await Suspects(store).begin(run)
    await dies(store, "doomed2")
    assert await claimed_ids(store) == []
    tried = await take(store, "doomed3")
    await Suspects(store).begin(tried)

    await Suspects(store).acquit(tried, is_innocent=False)
    await dies(store, "doomed3")

    assert await claimed_ids(store) == []
    again = await take(store)
    assert (again.attempt, again.crashes, again.charged) == (4, 2, 1)
    await store.commit([completed(again)])


async def test_an_innocent_one_is_free_again(client: Client, store: Store) -> None:
    handle = await client.enqueue(write, "x")
    await crash(store, "doomed1")
    await crash(store, "doomed2", begun=[handle.id])
    assert await claimed_ids(store) == []
    tried = await take(store, "doomed3")
    await Suspects(store).begin(tried)

    await Suspects(store).acquit(tried, is_innocent=True)
    await dies(store, "doomed3")

    (again,) = (await claim(store)).runs
    assert (again.attempt, again.crashes, again.charged) == (4, 1, 1)
    await store.commit([completed(again)])
