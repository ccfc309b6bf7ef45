"""The step that lets runs start as far as their limits allow, beside a model of what it may do."""

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.engine import Client, ManualClock, RunStatus, minutes, seconds
from app.engine.doors.overview import Overview
from app.engine.limits import Ask, Breaker
from app.engine.redis import keys
from app.engine.redis.store import Store
from app.engine.run import Claimed
from app.engine.verdict import Admission, Asking, Told, Verdict
from tests.engine.jobs import write
from tests.engine.steps import LEASE, alive, claim, completed, dies, put, put_back
from tests.rights import asked

MINUTE_MS = 60_000
ONE_AT_ONCE = Ask("at_once", "at_once:one", 1, 0)
TWO_AT_ONCE = Ask("at_once", "at_once:test", 2, 0)
THREE_A_MINUTE = Ask("rate", "rate:test", 3, MINUTE_MS)
BREAKER = Ask("breaker", "breaker:test", 3, MINUTE_MS, Breaker())


@pytest.fixture
async def store(client: Client) -> AsyncGenerator[Store]:
    async with alive(client.store, "w1", "w2"):
        yield client.store
    await asked(client.store.redis, "FLUSHDB")


async def ask(store: Store, runs: Sequence[Claimed], *asks: Ask) -> Admission:
    return await store.admit([], [Asking(run, asks) for run in runs], lease=LEASE)


async def tell(
    store: Store, run: Claimed, ask: Ask, verdict: Verdict = Verdict.NOTHING, asked_ms: int = 0
) -> Admission:
    return await store.admit([Told(run.id, ask, verdict, asked_ms)], [], lease=LEASE)


async def look(store: Store) -> Admission:
    return await store.admit([], [], lease=LEASE)


async def claimed(client: Client, count: int, worker: str = "w1") -> Sequence[Claimed]:
    """So many new runs, claimed."""
    for number in range(count):
        await put(client, write, str(number))
    return (await claim(client.store, worker)).runs


async def end(store: Store, run: Claimed, *asks: Ask) -> None:
    """It succeeds."""
    await store.commit([completed(run)])
    for each in asks:
        await tell(store, run, each, Verdict.OK)


async def test_runs_start_as_far_as_there_is_room_and_the_others_give_their_lease_back(
    client: Client, store: Store
) -> None:
    runs = await claimed(client, 4)

    answer = await ask(store, runs, TWO_AT_ONCE)

    assert answer.admitted == (True, True, False, False)
    assert [await client.run(run.id).status() for run in runs] == [
        *(RunStatus.RUNNING, RunStatus.RUNNING),
        *(RunStatus.DEFERRED, RunStatus.DEFERRED),
    ]
    assert (await claim(store)).runs == ()


async def test_who_waits_for_room_is_seen_to_wait_for_it(client: Client, store: Store) -> None:
    runs = await claimed(client, 2)
    await ask(store, runs, ONE_AT_ONCE)

    overview = Overview(store, client.lookup, ["default"])
    seen = {each.id: each.waits_for for each in await overview.runs()}
    alone = await overview.run(runs[1].id)

    assert seen == {runs[0].id: "", runs[1].id: "at_once:one"}
    assert (alone.status, alone.waits_for) == (RunStatus.DEFERRED, "at_once:one")


async def test_the_place_of_a_run_that_is_over_goes_to_who_has_waited_longest(
    client: Client, store: Store
) -> None:
    runs = await claimed(client, 4)
    await ask(store, runs, TWO_AT_ONCE)

    await end(store, runs[0], TWO_AT_ONCE)

    (next_one,) = (await claim(store, "w2")).runs
    assert (next_one.id, next_one.attempt) == (runs[2].id, 1)
    assert (await ask(store, [next_one], TWO_AT_ONCE)).admitted == (True,)


async def test_who_comes_later_does_not_pass_who_waits(client: Client, store: Store) -> None:
    first = await claimed(client, 3)
    await ask(store, first, TWO_AT_ONCE)
    await store.commit([completed(first[0])])  # and nobody has told the limit yet
    late = await claimed(client, 1)

    answer = await ask(store, late, TWO_AT_ONCE)

    assert answer.admitted == (False,)
    assert [run.id for run in (await claim(store)).runs] == [first[2].id]


async def test_a_run_that_was_let_in_and_never_came_loses_its_place_in_time(
    client: Client, store: Store, clock: ManualClock
) -> None:
    runs = await claimed(client, 4)
    await ask(store, runs, TWO_AT_ONCE)
    await end(store, runs[0], TWO_AT_ONCE)
    clock.advance(seconds(6))

    await look(store)

    back = (await claim(store, want=10)).runs
    assert [run.id for run in back] == [runs[2].id, runs[3].id]
    answer = await ask(store, back, TWO_AT_ONCE)
    assert sum(answer.admitted) == 1


async def test_who_was_let_in_keeps_its_place_while_a_worker_makes_room_to_try_it_alone(
    client: Client, store: Store, clock: ManualClock
) -> None:
    first, second, third = await claimed(client, 3)
    assert (await ask(store, [first, second, third], ONE_AT_ONCE)).admitted == (True, False, False)
    await end(store, first, ONE_AT_ONCE)
    (back,) = (await claim(store, "w1")).runs
    clock.advance(minutes(1))  # far longer than who was let in has time to begin
    (late,) = await claimed(client, 1, "w2")

    others = await ask(store, [late], ONE_AT_ONCE)
    itself = await ask(store, [back], ONE_AT_ONCE)

    assert (back.id, others.admitted, itself.admitted) == (second.id, (False,), (True,))


async def test_places_of_a_dead_worker_are_free(client: Client, store: Store) -> None:
    dead = await claimed(client, 2, "w2")
    await ask(store, dead, TWO_AT_ONCE)
    waiting = await claimed(client, 1)
    assert (await ask(store, waiting, TWO_AT_ONCE)).admitted == (False,)
    await dies(store, "w2")

    await _let_time_pass(store)

    back = (await claim(store)).runs
    assert {run.id for run in back} == {run.id for run in (*dead, *waiting)}
    assert sum((await ask(store, back, TWO_AT_ONCE)).admitted) == 2


async def _let_time_pass(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, ManualClock)
    clock.advance(seconds(1.5))
    await look(store)


async def test_a_run_that_is_not_ours_any_more_gets_no_place(client: Client, store: Store) -> None:
    (run,) = await claimed(client, 1)
    await store.redis.set(keys.lease(run.id), "w2:2")

    assert (await ask(store, [run], TWO_AT_ONCE)).admitted == (False,)

    assert await store.redis.exists(keys.PLACES + TWO_AT_ONCE.name, keys.PUT_OFF) == 0
    assert await store.redis.get(keys.lease(run.id)) == b"w2:2"


async def test_who_asks_again_has_its_place(client: Client, store: Store) -> None:
    runs = await claimed(client, 2)

    for _ in range(2):
        assert (await ask(store, runs, TWO_AT_ONCE)).admitted == (True, True)

    redis: Any = store.redis
    assert await redis.hlen(keys.PLACES + TWO_AT_ONCE.name) == 2


async def test_being_put_off_costs_no_attempt(client: Client, store: Store) -> None:
    runs = await claimed(client, 3)
    await ask(store, runs[:2], TWO_AT_ONCE)
    await store.commit([put_back(runs[2], timedelta(0))])
    (again,) = (await claim(store)).runs
    assert again.attempt == 2

    await ask(store, [again], TWO_AT_ONCE)
    await end(store, runs[0], TWO_AT_ONCE)

    assert [run.attempt for run in (await claim(store)).runs] == [2]


async def test_a_limit_that_lacks_room_takes_no_place_at_the_others(
    client: Client, store: Store
) -> None:
    one = Ask("at_once", "at_once:one", 1, 0)
    runs = await claimed(client, 4)
    await ask(store, runs[:2], one, TWO_AT_ONCE)

    others = Ask("at_once", "at_once:others", 1, 0)
    answer = await ask(store, runs[2:], others, TWO_AT_ONCE)

    assert answer.admitted == (True, False)


async def test_a_run_that_waits_can_be_cancelled_and_leaves_nothing(
    client: Client, store: Store
) -> None:
    runs = await claimed(client, 3)
    await ask(store, runs, TWO_AT_ONCE)

    await client.run(runs[2].id).cancel()

    assert await store.redis.exists(keys.PUT_OFF, keys.GATES) == 0
    for run in runs[:2]:
        await end(store, run, TWO_AT_ONCE)
    assert await asked(store.redis, "KEYS", "steward:[plg]*") == []


async def test_a_line_that_was_lost_is_made_again(
    client: Client, store: Store, clock: ManualClock
) -> None:
    runs = await claimed(client, 3)
    await ask(store, runs, TWO_AT_ONCE)
    await store.redis.delete(keys.PUT_OFF, keys.GATES, keys.LINE + TWO_AT_ONCE.name)
    clock.advance(timedelta(hours=1))

    (back,) = (await claim(store)).runs

    assert back.id == runs[2].id


async def test_a_rate_has_room_again_when_its_first_start_is_a_span_ago(
    client: Client, store: Store, clock: ManualClock
) -> None:
    runs = await claimed(client, 4)
    answer = await ask(store, runs, THREE_A_MINUTE)
    assert answer.admitted == (True, True, True, False)
    assert answer.look_ms is not None
    assert 59 < answer.look_ms / 1000 - clock.now().timestamp() < 60.01
    clock.advance(seconds(58))
    assert (await look(store)).let_in == 0
    clock.advance(seconds(2))

    assert (await look(store)).let_in == 1

    (late,) = (await claim(store)).runs
    assert (await ask(store, [late], THREE_A_MINUTE)).admitted == (True,)


async def test_a_clock_that_was_set_back_stops_a_rate_for_no_longer_than_its_span(
    client: Client, store: Store, clock: ManualClock
) -> None:
    await ask(store, await claimed(client, 3), THREE_A_MINUTE)
    clock.advance(-timedelta(days=1))
    (run,) = await claimed(client, 1)
    assert (await ask(store, [run], THREE_A_MINUTE)).admitted == (False,)
    clock.advance(minutes(1))

    assert (await look(store)).let_in == 1


@dataclass
class Model:
    """What a rate and a number at once allow: nothing that passes them, and all that does not."""

    rate: int
    at_once: int
    starts: list[float] = field(default_factory=list[float])
    running: int = 0

    def room(self, now: float) -> int:
        recent = sum(now - start < MINUTE_MS for start in self.starts)
        return min(self.rate - recent, self.at_once - self.running)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.integers(1, 5),
    at_once=st.integers(1, 5),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("come"), st.integers(1, 6)),
            st.tuples(st.just("end"), st.integers(1, 4)),
            st.tuples(st.just("wait"), st.integers(1, 90)),
        ),
        max_size=12,
    ),
)
async def test_limits_are_never_passed_and_never_stricter_than_they_say(
    client: Client,
    clock: ManualClock,
    rate: int,
    at_once: int,
    steps: Sequence[tuple[str, int]],
) -> None:
    store, model = client.store, Model(rate, at_once)
    asks = (
        Ask("rate", "rate:model", rate, MINUTE_MS),
        Ask("at_once", "at_once:model", at_once, 0),
    )
    waiting, running, order = 0, list[Claimed](), list[str]()
    async with alive(store, "w1"):
        for what, count in [*steps, ("come", 1)]:
            match what:
                case "come":
                    waiting += count
                    order += [await put(client, write, "x") for _ in range(count)]
                case "end":
                    for run in running[:count]:
                        await end(store, run, asks[1])
                    del running[:count]
                case _:
                    clock.advance(seconds(count))
                    await look(store)
            await look(store)
            started = await _all_that_may(store, asks)
            now = clock.now().timestamp() * 1000
            model.running = len(running)
            assert len(started) == min(max(0, model.room(now)), waiting)
            assert [run.id for run in started] == order[: len(started)]
            del order[: len(started)]
            model.starts += [now] * len(started)
            running += started
            waiting -= len(started)
    await asked(store.redis, "FLUSHDB")


async def _all_that_may(store: Store, asks: tuple[Ask, ...]) -> list[Claimed]:
    """Claim and ask, until nothing comes: who starts."""
    started = list[Claimed]()
    while runs := (await claim(store)).runs:
        answer = await ask(store, runs, *asks)
        started += [run for run, admitted in zip(runs, answer.admitted, strict=True) if admitted]
    return started


async def test_failures_in_a_row_open_a_breaker_and_one_probe_decides(
    client: Client, store: Store, clock: ManualClock
) -> None:
    runs = await claimed(client, 6)
    assert all((await ask(store, runs[:3], BREAKER)).admitted)
    for run in runs[:3]:
        await store.commit([completed(run)])
        await tell(store, run, BREAKER, Verdict.FAILED)

    answer = await ask(store, runs[3:], BREAKER)

    assert answer.admitted == (False, False, False)
    assert answer.look_ms is not None
    assert 59 < answer.look_ms / 1000 - clock.now().timestamp() < 60.01
    for verdict in (Verdict.FAILED, Verdict.OK):
        clock.advance(minutes(1))
        assert (await look(store)).let_in == 1
        (probe,) = (await claim(store)).runs
        assert (await ask(store, [probe], BREAKER)).admitted == (True,)
        assert (await look(store)).let_in == 0
        await store.commit([completed(probe)])
        let_in = (await tell(store, probe, BREAKER, verdict)).let_in
        assert let_in == (1 if verdict is Verdict.OK else 0)
    assert await store.redis.exists(keys.BREAKER + BREAKER.name) == 0


async def test_an_answer_in_between_begins_the_row_anew(client: Client, store: Store) -> None:
    runs = await claimed(client, 6)
    await ask(store, runs[:5], BREAKER)
    for run, verdict in zip(
        runs,
        [Verdict.FAILED, Verdict.FAILED, Verdict.OK, Verdict.FAILED, Verdict.FAILED],
        strict=False,
    ):
        await tell(store, run, BREAKER, verdict)

    assert (await ask(store, runs[5:], BREAKER)).admitted == (True,)


async def test_who_began_before_decides_nothing_once_a_provider_asked_to_wait(
    client: Client, store: Store, clock: ManualClock
) -> None:
    runs = await claimed(client, 4)
    await ask(store, runs[:3], BREAKER)
    await tell(store, runs[0], BREAKER, Verdict.ASKED, 2 * MINUTE_MS)
    await tell(store, runs[1], BREAKER, Verdict.ASKED, MINUTE_MS)
    await tell(store, runs[2], BREAKER, Verdict.OK)

    assert (await ask(store, runs[3:], BREAKER)).admitted == (False,)

    clock.advance(seconds(119))
    assert (await look(store)).let_in == 0
    clock.advance(seconds(1))
    assert (await look(store)).let_in == 1


async def test_a_probe_whose_worker_dies_is_followed_by_another(
    client: Client, store: Store, clock: ManualClock
) -> None:
    runs = await claimed(client, 2, "w2")
    await ask(store, runs[:1], BREAKER)
    await tell(store, runs[0], BREAKER, Verdict.ASKED, MINUTE_MS)
    await ask(store, runs[1:], BREAKER)
    clock.advance(minutes(1))
    await look(store)
    (probe,) = (await claim(store, "w2")).runs
    await ask(store, [probe], BREAKER)
    (other,) = await claimed(client, 1)
    assert (await ask(store, [other], BREAKER)).admitted == (False,)

    await dies(store, "w2")
    await _let_time_pass(store)

    assert sum((await ask(store, (await claim(store)).runs, BREAKER)).admitted) == 1


async def test_a_long_line_is_let_in_piece_by_piece(
    client: Client, store: Store, clock: ManualClock
) -> None:
    (first,) = await claimed(client, 1)
    await ask(store, [first], BREAKER)
    await tell(store, first, BREAKER, Verdict.ASKED, MINUTE_MS)
    await client.enqueue_many(write.call(str(number)) for number in range(350))
    while runs := (await claim(store, want=100)).runs:
        await ask(store, runs, BREAKER)
    clock.advance(minutes(1))
    await look(store)
    (probe,) = (await claim(store)).runs
    await ask(store, [probe], BREAKER)

    steps = [(await tell(store, probe, BREAKER, Verdict.OK)).let_in]
    while (answer := await look(store)).let_in:
        steps.append(answer.let_in)

    assert sum(steps) == 349
    assert max(steps) <= 200
    assert len(steps) >= math.ceil(349 / 200)
    assert await store.redis.exists(keys.PUT_OFF, keys.GATES) == 0
