"""Each atomic step alone, on a real server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from app.engine import Client, Clock, Codec, Held, ManualClock, Unavailable, hours, minutes, seconds
from app.engine.cause import cause_of
from app.engine.doors.events import Events
from app.engine.ended import Buried, Completed, PutBack, SetAside
from app.engine.redis import keys
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from app.engine.run import Claimed, NewRun
from tests.engine.jobs import hurry, write
from tests.engine.steps import (
    HOUR,
    QUEUES,
    alive,
    buried,
    claim,
    claimed_ids,
    completed,
    dies,
    due_ms,
    keys_of,
    put,
    put_back,
    read,
    set_aside,
)
from tests.eventually import eventually
from tests.rights import asked


@pytest.fixture
def store(client: Client) -> Store:
    return client.store


async def lone(client: Client) -> Claimed:
    """One run, leased to w1; the next claim begins at the head of its queue."""
    await client.enqueue(write, "x")
    run = (await claim(client.store)).runs[0]
    await client.store.redis.delete(keys.claimed(run.queue))
    return run


async def letter_of(store: Store, run_id: str) -> dict[bytes, bytes]:
    """A dead letter as it is stored."""
    redis: Any = store.redis
    found: dict[bytes, bytes] = await redis.hgetall(f"steward:dead:{run_id}")
    return found


# enqueue


async def test_the_same_bytes_sent_again_are_one_run(client: Client, store: Store) -> None:
    run = client.prepare(write.call("x"))

    first = await store.enqueue([run])
    again = await store.enqueue([run], again=True)

    assert first == again
    assert first[0].is_new
    assert await store.redis.zcard("arq:queue:default") == 1


async def test_an_id_that_exists_answers_with_the_run_that_has_it(client: Client) -> None:
    named = write.with_options(id="chosen")

    handles = [await client.enqueue(named, text) for text in ("a", "b", "b")]

    assert [(each.id, each.is_new) for each in handles] == [
        ("chosen", True),
        ("chosen", False),
        ("chosen", False),
    ]
    assert await client.store.redis.zcard("arq:queue:default") == 1


async def test_two_equal_calls_in_one_batch_are_one_run(client: Client) -> None:
    call = write.with_options(id="chosen").call("x")

    handles = await client.enqueue_many([call, call])

    assert [each.is_new for each in handles] == [True, False]


async def test_a_batch_keeps_its_order_however_long(client: Client, store: Store) -> None:
    handles = await client.enqueue_many(write.call(str(n)) for n in range(450))

    assert await claimed_ids(store, want=500) == [each.id for each in handles]
    await store.commit([completed(r) for r in (await claim(store, "w2", want=500)).runs])


async def test_one_of_a_hundred_that_share_a_key_is_new(client: Client, store: Store) -> None:
    keyed = write.with_options(key="k")
    handles: list[Any] = []

    async def enqueue() -> None:
        handles.append(await client.enqueue(keyed, "x"))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(enqueue)

    assert sum(each.is_new for each in handles) == 1
    assert len({each.id for each in handles}) == 1
    assert await store.redis.zcard("arq:queue:default") == 1


@pytest.mark.parametrize(
    ("held", "while_queued", "while_running", "when_over"),
    [
        (Held.QUEUED, False, True, True),
        (Held.ACTIVE, False, False, True),
        (hours(1), False, False, False),
    ],
)
async def test_a_key_is_held_as_long_as_was_asked(
    client: Client,
    store: Store,
    held: Held | timedelta,
    while_queued: bool,
    while_running: bool,
    when_over: bool,
) -> None:
    keyed = write.with_options(key="k", held=held)
    first = await client.enqueue(keyed, "x")

    queued = await client.enqueue(keyed, "y")
    async with alive(store, "w1"):
        running = next(each for each in (await claim(store)).runs if each.id == first.id)
        second = await client.enqueue(keyed, "z")
        await store.commit([completed(running, key="k")])
        third = await client.enqueue(keyed, "ä")

    assert first.is_new
    assert queued.is_new is while_queued
    assert second.is_new is while_running
    assert third.is_new is (when_over and not second.is_new)


async def test_a_window_ends_when_the_clock_says_so(client: Client, clock: ManualClock) -> None:
    keyed = write.with_options(key="k", held=hours(1))
    await client.enqueue(keyed, "x")

    clock.advance(minutes(59))
    early = await client.enqueue(keyed, "x")
    clock.advance(minutes(2))
    late = await client.enqueue(keyed, "x")

    assert (early.is_new, late.is_new) == (False, True)


async def test_a_holder_whose_payload_is_gone_is_no_holder(client: Client, store: Store) -> None:
    keyed = write.with_options(key="k")
    lost = await client.enqueue(keyed, "x")
    await store.redis.delete(f"arq:job:{lost.id}")

    assert (await client.enqueue(keyed, "y")).is_new


async def test_a_run_that_lost_its_key_does_not_release_anothers(
    client: Client, store: Store
) -> None:
    keyed = write.with_options(key="k", held=Held.QUEUED)
    await client.enqueue(keyed, "first")
    running = (await claim(store)).runs[0]
    second = await client.enqueue(keyed, "second")

    await store.commit([completed(running, key="k")])

    assert (await client.enqueue(keyed, "third")).id == second.id


# an arq project's queue


@pytest.mark.parametrize(
    "key",
    [
        *("arq:queue", "arq:queue:high"),
        pytest.param("mail", marks=pytest.mark.more_rights("a key that begins otherwise")),
    ],
)
async def test_a_queue_may_be_a_key_of_an_arq_projects_own(store: Store, key: str) -> None:
    queue = keys.THEIRS + key
    for id in ("ended", "buried", "retried", "parked"):
        await store.enqueue([NewRun(id=id, queue=queue, payload=b"theirs")])
    placed = await store.redis.zcard(key)

    async with alive(store, "w1"):
        runs = {run.id: run for run in (await claim(store, queues=[queue])).runs}
        lost = await store.commit(
            [
                completed(runs["ended"]),
                buried(runs["buried"]),
                put_back(runs["retried"], minutes(1)),
                set_aside(runs["parked"]),
            ]
        )

    left: Any = await store.redis.zrange(key, 0, -1)
    assert (placed, lost, set(left)) == (4, {}, {b"retried", b"parked"})
    assert {run.queue for run in runs.values()} == {queue}
    assert (await letter_of(store, "buried"))[b"queue"] == queue.encode()
    assert (await store.depth(queue))[:4] == (0, 0, 1, 1)
    assert await store.unpark("w1", 1, [queue], [("test.write", 1)]) == 1
    await asked(store.redis, "FLUSHDB")  # a queue's key that isn't ours is a stray one here


# claim


async def test_urgent_runs_come_first_and_then_those_due_first(
    client: Client, store: Store, clock: ManualClock
) -> None:
    late = await put(client, write.with_options(delay=seconds(30)), "late")
    early = await put(client, write.with_options(delay=seconds(10)), "early")
    now = await put(client, write, "now")
    urgent = await put(client, hurry.with_options(delay=seconds(20)), "urgent")
    clock.advance(minutes(1))

    assert await claimed_ids(store) == [urgent, now, early, late]


async def test_nothing_is_taken_before_its_time(
    client: Client, store: Store, clock: ManualClock
) -> None:
    later = await client.enqueue(write.with_options(delay=hours(1)), "x")
    too_early = await claim(store)
    clock.advance(minutes(61))

    assert too_early.runs == ()
    assert too_early.next_due is not None
    assert abs(too_early.next_due - clock.now() + minutes(1)) < seconds(2)
    assert await claimed_ids(store) == [later.id]


async def test_a_time_in_the_past_means_now(client: Client, store: Store) -> None:
    for past in (datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)):
        handle = await client.enqueue(write.with_options(at=past), "x")

        run = (await claim(store)).runs[0]

        assert run.id == handle.id
        assert abs(await due_ms(store, run) / 1000 - store.clock.now().timestamp()) < 2


@pytest.mark.parametrize("wrong", [hours(1), -hours(1)])
async def test_a_client_whose_clock_is_wrong_delays_by_the_servers(
    client: Client, codec: Codec, wrong: timedelta
) -> None:
    astray = Clock()
    astray.learn((astray.now() + wrong).timestamp() * 1000)
    other = Client(Store(client.store.redis, astray), codec)

    await other.enqueue(write, "now")
    await other.enqueue(write.with_options(delay=minutes(30)), "later")

    found = await claim(client.store)
    assert len(found.runs) == 1
    assert found.next_due is not None
    assert abs(found.next_due - client.store.clock.now() - minutes(30)) < seconds(2)


async def test_a_claim_takes_no_more_than_asked_and_than_each_queues_share(
    client: Client, store: Store
) -> None:
    await client.enqueue_many(write.call("x") for _ in range(10))
    await client.enqueue_many(hurry.call("x") for _ in range(10))

    runs = (await claim(store, want=12)).runs

    assert [run.queue for run in runs] == ["urgent"] * 10 + ["default"] * 2


async def test_two_workers_never_take_the_same_run(client: Client, store: Store) -> None:
    await client.enqueue_many(write.call("x") for _ in range(100))
    taken: list[str] = []

    async def take(worker: str) -> None:
        while found := await claimed_ids(store, worker, want=7):
            taken.extend(found)

    workers = [f"w{n}" for n in range(5)]
    async with alive(store, *workers), anyio.create_task_group() as group:
        for worker in workers:
            group.start_soon(take, worker)

    assert len(taken) == len(set(taken)) == 100


async def test_a_live_workers_runs_are_left_alone(client: Client, store: Store) -> None:
    async with alive(store, "w1"):
        await lone(client)

        assert await claimed_ids(store, "w2") == []


async def test_a_dead_workers_runs_are_taken_over_with_the_attempt_counted(
    client: Client, store: Store
) -> None:
    async with alive(store, "w1", "w2"):
        run = await lone(client)
        await dies(store, "w1")

        taken = (await claim(store, "w2")).runs

    assert [(each.id, each.attempt) for each in taken] == [(run.id, 2)]


async def test_an_attempt_stays_counted_though_its_counter_is_gone(
    client: Client, store: Store
) -> None:
    run = await lone(client)
    await store.redis.delete(f"arq:retry:{run.id}")

    assert (await claim(store, "w2")).runs[0].attempt == 2


async def test_a_plain_workers_lease_is_respected(client: Client, store: Store) -> None:
    handle = await client.enqueue(write, "x")
    await store.redis.set(f"arq:in-progress:{handle.id}", "1")

    assert await claimed_ids(store) == []


async def test_a_worker_whose_sign_of_life_lapsed_does_not_claim_its_own_runs(
    client: Client, store: Store
) -> None:
    await lone(client)

    assert await claimed_ids(store, "w1") == []


async def test_runs_of_a_lost_answer_come_again_uncharged(client: Client, store: Store) -> None:
    await client.enqueue_many(write.call("x") for _ in range(3))
    known, *lost = (await claim(store)).runs

    again = (await claim(store, mine=[known.id])).runs

    assert [(each.id, each.attempt, each.lease) for each in again] == [
        (each.id, each.attempt, each.lease) for each in lost
    ]


async def test_a_payload_of_another_type_stops_nobody(client: Client, store: Store) -> None:
    strange = await client.enqueue(write, "x")
    good = await client.enqueue(write, "y")
    await store.redis.delete(f"arq:job:{strange.id}")
    await store.redis.zadd(f"arq:job:{strange.id}", {"not a string": 1})

    runs = (await claim(store)).runs
    await store.commit([buried(each) for each in runs])

    assert [(each.id, each.payload is None) for each in runs] == [
        (strange.id, True),
        (good.id, False),
    ]


# commit


def forms(run: Claimed) -> list[Completed | PutBack | Buried | SetAside]:
    return [completed(run), put_back(run), buried(run), set_aside(run)]


@pytest.mark.parametrize("form", range(4))
async def test_nothing_is_committed_under_anothers_lease(
    client: Client, store: Store, form: int
) -> None:
    stale = await lone(client)
    ours = (await claim(store, "w2")).runs[0]

    lost = await store.commit([forms(stale)[form]])

    assert lost == {stale.id: ours.lease}
    assert await store.redis.get(f"arq:in-progress:{ours.id}") == b"w2:2"
    assert await store.redis.exists(f"arq:job:{ours.id}", "steward:events") == 1
    assert await store.commit([completed(ours)]) == {}


@pytest.mark.parametrize("form", range(4))
async def test_committing_twice_changes_nothing_more(
    client: Client, store: Store, form: int
) -> None:
    run = await lone(client)
    await store.commit([forms(run)[form]])
    before = await keys_of(client)

    assert await store.commit([forms(run)[form]]) == {run.id: ""}
    assert await keys_of(client) == before


async def test_a_completed_run_leaves_only_its_result(client: Client, store: Store) -> None:
    run = await lone(client)

    await store.commit([completed(run)])

    assert await keys_of(client) == {
        f"arq:result:{run.id}",
        "steward:events",
        "steward:events:count",
    }
    assert 3590 < await store.redis.ttl(f"arq:result:{run.id}") <= 3600


async def test_without_a_kept_result_a_marker_answers_for_a_minute(
    client: Client, store: Store
) -> None:
    named = write.with_options(id="chosen")
    await client.enqueue(named, "x")
    await store.commit([completed((await claim(store)).runs[0], keep=timedelta(0))])

    again = await client.enqueue(named, "x")

    assert not again.is_new
    assert 50 < await store.redis.ttl("steward:finished:chosen") <= 60
    assert await claimed_ids(store) == []


async def test_a_failed_attempt_goes_back_later_and_counts(
    client: Client, store: Store, clock: ManualClock
) -> None:
    run = await lone(client)

    await store.commit([put_back(run, minutes(5))])
    early = await claimed_ids(store)
    clock.advance(minutes(6))

    assert early == []
    assert [(each.id, each.attempt) for each in (await claim(store)).runs] == [(run.id, 2)]


async def test_a_released_run_keeps_its_place_and_its_attempts(
    client: Client, store: Store
) -> None:
    first = await lone(client)
    place = await due_ms(store, first)
    await client.enqueue(write, "behind")

    await store.commit([put_back(first, is_charged=False)])

    again = (await claim(store)).runs[0]
    assert (again.id, again.attempt) == (first.id, 1)
    assert place <= await due_ms(store, again) < place + 0.01


async def test_the_failures_of_a_run_that_is_tried_for_ever_are_bounded(
    client: Client, store: Store
) -> None:
    run = await lone(client)
    for _ in range(130):
        await store.commit([put_back(run, timedelta(0))])
        run = (await claim(store)).runs[0]

    await store.commit([buried(run)])

    letter = await letter_of(store, run.id)
    assert read(letter[b"failure:1"]).number == 31
    assert read(letter[b"failure:101"]).message == "dead"


async def test_a_dead_letter_holds_payload_and_every_failure(client: Client, store: Store) -> None:
    run = await lone(client)
    await store.commit([put_back(run, timedelta(0))])
    second = (await claim(store)).runs[0]

    await store.commit([buried(second)])

    letter = await letter_of(store, run.id)
    assert letter[b"payload"] == run.payload
    assert [read(letter[b"failure:%d" % n]).message for n in (1, 2)] == ["attempt 1", "dead"]
    assert await keys_of(client) == {
        f"steward:dead:{run.id}",
        "steward:dead",
        f"steward:cause:{cause_of('test.write', RuntimeError('dead')).id}",
        "steward:causes",
        f"arq:result:{run.id}",
        "steward:events",
        "steward:events:count",
    }


async def test_many_outcomes_of_every_kind_are_committed_at_once(
    client: Client, store: Store
) -> None:
    await client.enqueue_many(write.call(str(n)) for n in range(400))
    runs = (await claim(store, want=400)).runs

    lost = await store.commit([forms(run)[n % 4] for n, run in enumerate(runs)])

    assert lost == {}
    assert await store.redis.zcard("arq:queue:default") == 200  # those put back or set aside
    assert await store.redis.zcard("steward:dead") == 100


# park


async def unpark(store: Store, *versions: tuple[str, int]) -> int:
    """Restore what a worker with these jobs can run."""
    return await store.unpark("w1", 10, QUEUES, versions)


async def test_a_parked_run_waits_without_charge_until_its_job_is_known(
    client: Client, store: Store, clock: ManualClock
) -> None:
    run = await lone(client)
    place = await due_ms(store, run)
    await store.redis.expire(f"arq:job:{run.id}", 100)
    await store.commit([set_aside(run, "test.future", 2)])
    clock.advance(timedelta(days=3650))

    parked = await claimed_ids(store)
    others = await unpark(store, ("test.write", 9), ("test.future", 1))
    elsewhere = await store.unpark("w1", 10, ["urgent"], [("test.future", 2)])
    full = await store.unpark("w1", 0, QUEUES, [("test.future", 2)])
    restored = await unpark(store, ("test.future", 2))

    assert (parked, others, elsewhere, full, restored) == ([], 0, 0, 0, 1)
    assert await store.redis.ttl(f"arq:job:{run.id}") == -1
    async with alive(store, "w1"):
        assert await claimed_ids(store, "w2") == []
        again = (await claim(store, mine=[])).runs[0]
    assert (again.id, again.attempt, await due_ms(store, again)) == (run.id, 1, place)
    assert not await store.redis.exists("steward:parked")


async def test_a_parked_run_whose_payload_is_gone_comes_back_to_be_buried(
    client: Client, store: Store
) -> None:
    run = await lone(client)
    await store.commit([set_aside(run)])
    await store.redis.delete(f"arq:job:{run.id}")

    await unpark(store, ("test.write", 1))

    assert [each.payload for each in (await claim(store, mine=[])).runs] == [None]


async def test_a_broken_note_of_a_parked_run_stops_nobody(client: Client, store: Store) -> None:
    run = await lone(client)
    await store.commit([set_aside(run)])
    await store.redis.hset("steward:parked", "broken", "no note")  # type: ignore[misc]

    assert await unpark(store, ("test.write", 1)) == 1


async def test_what_an_older_release_has_parked_is_restored_too(
    client: Client, store: Store
) -> None:
    run = await lone(client)
    await store.commit([set_aside(run)])
    kind = "test.write|1|default"
    await store.redis.delete("steward:parked-kinds", f"steward:parked:{kind}")  # it knew neither

    assert await unpark(store, ("test.write", 1)) == 1
    assert await asked(store.redis, "KEYS", "steward:parked*") == []


async def test_parked_runs_that_nobody_here_can_run_are_not_looked_at(
    client: Client, store: Store
) -> None:
    await client.enqueue_many(write.call(str(n)) for n in range(300))
    runs = (await claim(store, want=300)).runs
    await store.commit([set_aside(run, "test.future", 2) for run in runs])
    await unpark(store)
    before = await calls(store)

    for _ in range(10):
        assert await unpark(store, ("test.write", 9), ("test.future", 1)) == 0

    after = await calls(store)
    assert {name: after[name] - before[name] for name in after} == {
        **{"hgetall": 0, "hget": 0, "smembers": 20, "scard": 10}
    }
    assert await unpark(store, ("test.future", 2)) == 10


async def calls(store: Store) -> dict[str, int]:
    """How often the server was asked for what there is."""
    said: Any = await store.redis.info("commandstats")
    names = "hgetall", "hget", "smembers", "scard"
    return {name: said.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in names}


async def test_a_parked_run_that_was_cancelled_is_not_restored(
    client: Client, store: Store
) -> None:
    run = await lone(client)
    await store.commit([set_aside(run)])

    cancelled = await client.run(run.id).cancel()

    assert cancelled
    assert await unpark(store, ("test.write", 1)) == 0
    assert await claimed_ids(store) == []


# cancel


async def test_cancelling_a_waiting_run_leaves_its_result_only(client: Client) -> None:
    handle = await client.enqueue(write.with_options(key="k"), "x")

    assert await handle.cancel()
    assert not await handle.cancel()

    assert await keys_of(client) == {
        f"arq:result:{handle.id}",
        "steward:events",
        "steward:events:count",
    }


async def test_cancelling_a_running_run_tells_its_worker(client: Client, store: Store) -> None:
    async with alive(store, "w1"):
        run = await lone(client)

        assert await client.run(run.id).cancel()

        assert await store.cancelled() == [run.id]
        await store.commit([completed(run)])
    assert await store.cancelled() == []


async def test_cancelling_a_dead_workers_run_ends_it(client: Client, store: Store) -> None:
    run = await lone(client)

    assert await client.run(run.id).cancel()

    assert await claimed_ids(store, "w2") == []
    assert await store.commit([completed(run)]) == {run.id: ""}


async def test_a_run_cancelled_while_it_went_back_is_claimed_as_cancelled(
    client: Client, store: Store
) -> None:
    async with alive(store, "w1"):
        run = await lone(client)
        await client.run(run.id).cancel()
        await store.commit([put_back(run, timedelta(0))])

        again = (await claim(store)).runs[0]

        assert again.cancelled
        await store.commit([completed(again)])


@pytest.mark.parametrize("id", ["unknown", "", "a b", "*"])
async def test_cancelling_an_unknown_run_leaves_no_key(client: Client, id: str) -> None:
    assert not await client.run(id).cancel()
    assert await keys_of(client) == set()


async def test_cancelling_a_finished_run_changes_nothing(client: Client, store: Store) -> None:
    run = await lone(client)
    await store.commit([completed(run)])
    before = await keys_of(client)

    assert not await client.run(run.id).cancel()
    assert await keys_of(client) == before


async def test_cancellations_of_runs_that_are_over_are_forgotten(
    client: Client, store: Store
) -> None:
    here = await put(client, write, "x")
    await store.redis.zadd(keys.ABORT, {"over": 1, here: 2, "never was": 3})

    swept = await store.sweep()

    assert (swept, await store.cancelled()) == (2, [here])
    assert await store.sweep() == 0
    await store.redis.delete(keys.ABORT)


# the rest


async def test_events_are_numbered_without_holes(client: Client, store: Store) -> None:
    events = Events(store)
    await events.join()
    await client.enqueue_many(write.call(str(n)) for n in range(30))
    runs = list((await claim(store, want=30)).runs)

    async with anyio.create_task_group() as group:
        while runs:
            group.start_soon(store.commit, [completed(runs.pop()) for _ in range(3)])

    batches = await events.read(within=seconds(1))
    numbers = [n for each in batches for n in range(each.first, each.last + 1)]
    assert numbers == list(range(1, 31))
    assert sum(len(each.events) for each in batches) == 30


async def test_a_tick_fires_for_the_first_who_moves_the_cursor(
    client: Client, store: Store
) -> None:
    runs = [client.prepare(write.call(str(n))) for n in range(2)]

    first = await store.tick("s", known="", then="1", run=runs[0])
    second = await store.tick("s", known="", then="1", run=runs[1])

    assert (first, second) == ((True, "1"), (False, "1"))
    assert await claimed_ids(store) == [runs[0].id]


async def test_a_lease_has_one_holder_until_it_lets_go(store: Store) -> None:
    key = "steward:recorder"

    taken = [await store.hold(key, who, seconds(5)) for who in ("a", "b", "a")]
    await store.hold(key, "b", timedelta(0))
    still = await store.hold(key, "b", seconds(5))
    await store.hold(key, "a", timedelta(0))

    assert taken == [True, False, True]
    assert not still
    assert await store.hold(key, "b", seconds(5))


async def test_depth_counts_what_waits_runs_and_is_set_aside(
    client: Client, store: Store, clock: ManualClock
) -> None:
    await client.enqueue_many(write.call(str(n)) for n in range(4))
    await client.enqueue(write.with_options(delay=hours(1)), "later")
    async with alive(store, "w1"):
        running, parked = (await claim(store, want=2)).runs
        await store.commit([set_aside(parked)])
        clock.advance(minutes(1))

        ready, busy, deferred, aside, waited = await store.depth("default")

    of_a_dead_worker = await store.depth("default")
    assert (ready, busy, deferred, aside) == (2, 1, 1, 1)
    assert of_a_dead_worker[:2] == (3, 0)
    assert minutes(1) <= waited < minutes(1) + seconds(5)
    assert running.id != parked.id


async def test_the_server_tells_the_time(store: Store, clock: ManualClock) -> None:
    clock.advance(HOUR)

    assert abs(await store.server_time() - datetime.now(UTC) - HOUR) < seconds(2)


async def test_a_server_that_is_gone_is_unavailable(tmp_path: Any) -> None:
    from arq.connections import RedisSettings

    async with open_redis(RedisSettings(unix_socket_path=str(tmp_path / "none"))) as redis:
        with pytest.raises(Unavailable, match="ConnectionError"):
            await Store(redis, Clock()).server_time()


async def test_a_worker_that_greeted_is_alive_until_its_lease_ends(store: Store) -> None:
    await store.redis.ping()  # to connect may take longer than this lease lasts
    await store.greet("w1", b"{}", seconds(0.05))
    assert await store.redis.exists("steward:worker:w1")

    async def gone() -> bool:
        return not await store.redis.exists("steward:worker:w1")

    assert await eventually(gone, within=seconds(2))


async def test_a_note_of_a_crash_that_nobody_can_read_is_none(client: Client) -> None:
    redis: Any = client.store.redis
    handle = await client.enqueue(write, "x")
    await redis.hset(keys.CRASHES, handle.id, "1|0.000|-12.000|w0 |default")

    async with alive(client.store, "w1"):
        await claim(client.store, "w1")
    runs = (await claim(client.store, "w2")).runs

    assert [(run.id, run.crashes) for run in runs] == [(handle.id, 1)]
    await client.store.commit([completed(run) for run in runs])
