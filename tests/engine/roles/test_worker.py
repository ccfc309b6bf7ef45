"""A worker, from the outside: what it is given, runs."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import anyio
import arq
import pytest
from arq.connections import RedisSettings

from app.engine import (
    NEVER,
    BadPayload,
    Client,
    Codec,
    DeadLetters,
    Discard,
    Fixed,
    Handle,
    JobTimeout,
    ManualClock,
    RetryLater,
    RunCancelled,
    RunFailed,
    RunStatus,
    Unavailable,
    WorkerDied,
    days,
    hours,
    job,
    minutes,
    seconds,
)
from app.engine.redis import keys
from app.engine.redis.suspects import Suspects
from tests.engine.conftest import Bench, Open, Workshop
from tests.engine.jobs import AT_ONCE, die, fail, hurry, pass_gate, wait, write
from tests.engine.steps import LEASE, QUEUES, alive, claim, claimed_ids, dies, keys_of
from tests.eventually import eventually
from tests.rights import as_admin

# running


async def test_a_run_is_executed_and_its_result_read(workshop: Open) -> None:
    async with workshop(write) as shop, shop.working():
        handle = await shop.client.enqueue(write, "hello")

        assert await handle.result(within=seconds(5)) == 5
        assert await handle.status() == RunStatus.SUCCEEDED
        assert shop.page == ["hello"]


async def test_a_failing_run_is_tried_as_often_as_its_policy_says(workshop: Open) -> None:
    async with workshop(fail) as shop:
        handle = await shop.client.enqueue(fail)

        await shop.drain()

        letter = await DeadLetters(shop.client).get(handle.id)
        assert shop.page == ["try 1", "try 2", "try 3"]
        assert [each.number for each in letter.attempts] == [1, 2, 3]
        assert letter.last.message == "it never works"
        assert "RuntimeError: it never works" in letter.last.traceback
        with pytest.raises(RunFailed, match="it never works"):
            await handle.result(within=seconds(1))


async def test_a_retry_waits_as_long_as_its_policy_says(workshop: Open, clock: ManualClock) -> None:
    @job(name="test.patient", queue="default", retry=Fixed(minutes(5), attempts=4))
    async def patient(ctx: Bench) -> None:
        ctx.page.append("try")
        raise ConnectionError("away")

    async with workshop(patient) as shop, shop.working():
        handle = await shop.client.enqueue(patient)
        tried = list[int]()
        for _ in range(4):
            await eventually(lambda: len(shop.heard) == len(tried) + 1)
            tried.append(len(shop.page))
            for each in await shop.client.find():
                assert minutes(4.9) < each.due_at - clock.now() <= minutes(5.5)
            clock.advance(minutes(6))

        assert tried == [1, 2, 3, 4]
        assert await handle.status() == RunStatus.DEAD


class Busy(Exception):
    """A provider that says when to come back."""

    retry_after = hours(2)


async def test_a_provider_that_asks_for_time_gets_it(workshop: Open, clock: ManualClock) -> None:
    @job(name="test.polite", queue="default", retry=Fixed(AT_ONCE, attempts=4))
    async def polite(ctx: Bench) -> None:
        ctx.page.append("asked")
        raise OSError("no") from Busy()

    async with workshop(polite) as shop, shop.working():
        await shop.client.enqueue(polite)
        await eventually(lambda: shop.heard)

        due = (await shop.client.find())[0].due_at

        assert due - clock.now() > minutes(119)


async def test_retry_later_charges_no_attempt(workshop: Open) -> None:
    @job(name="test.later", queue="default", retry=NEVER)
    async def later(ctx: Bench) -> int:
        ctx.page.append(str(ctx.attempt.number))
        if len(ctx.page) < 5:
            raise RetryLater(AT_ONCE)
        return ctx.attempt.number

    async with workshop(later) as shop:
        handle = await shop.client.enqueue(later)
        await shop.drain()

        assert await handle.result(within=seconds(1)) == 1
        assert shop.page == ["1"] * 5


async def test_a_discarded_run_is_a_dead_letter_at_once(workshop: Open) -> None:
    @job(name="test.discard", queue="default")
    async def discard(ctx: Bench) -> None:
        ctx.page.append("once")
        raise Discard("of no use")

    async with workshop(discard) as shop:
        handle = await shop.client.enqueue(discard)
        await shop.drain()

        assert shop.page == ["once"]
        assert (await DeadLetters(shop.client).get(handle.id)).last.message == "of no use"


async def test_a_job_is_told_which_run_it_is_and_its_children_name_it(
    workshop: Open, codec: Codec, clock: ManualClock
) -> None:
    @job(name="test.parent", queue="default")
    async def parent(ctx: Bench) -> str:
        handle = await ctx.client.enqueue(write.with_options(delay=days(1)), "child")
        return handle.id

    async with workshop(parent, write) as shop, shop.working():
        handle = await shop.client.enqueue(parent.with_options(owner="7"))
        child = await handle.result(within=seconds(5))

        payload = codec.open_payload(await shop.client.store.redis.get(f"arq:job:{child}"))

        assert (payload.p, payload.u) == (handle.id, "7")
        assert payload.sf - clock.now().timestamp() * 1000 > 86_000_000


class Unprintable(Exception):
    """An exception whose words are an error."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def circle() -> Exception:
    """An error that is the cause of its own cause."""
    first, second = OSError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    return first


HOSTILE: list[Callable[[], BaseException]] = [
    lambda: SystemExit(1),
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    lambda: BaseException("bare"),
    Unprintable,
    lambda: ValueError("half \udcff"),
    lambda: OSError("x" * 10**6),
    circle,
    lambda: BaseExceptionGroup("many", [KeyboardInterrupt(), SystemExit()]),
    lambda: type("Odd\udcff", (Exception,), {})("odd"),
    StopAsyncIteration,
    RecursionError,
    MemoryError,
]


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_whatever_a_job_raises_worker_and_bystanders_live(
    workshop: Open, hostile: Callable[[], BaseException]
) -> None:
    @job(name="test.hostile", queue="default", retry=NEVER)
    async def raising(ctx: Bench) -> None:
        ctx.page.append("raises")
        raise hostile()

    async with workshop(raising, pass_gate, write) as shop, shop.working():
        bystander = await shop.client.enqueue(pass_gate, "I")
        await eventually(lambda: shop.page)
        bad = await shop.client.enqueue(raising)

        with pytest.raises(RunFailed):
            await bad.result(within=seconds(5))
        shop.gate.set()

        assert await bystander.result(within=seconds(5)) == "I, attempt 1"
        assert await (await shop.client.enqueue(write, "after")).result(within=seconds(5)) == 5
        letter = await DeadLetters(shop.client).get(bad.id)
        assert len(letter.attempts) == 1


# time


async def test_a_job_that_takes_too_long_is_cancelled_cleans_up_and_is_tried_again(
    workshop: Open,
) -> None:
    @job(name="test.slow", queue="default", timeout=seconds(0.1), retry=Fixed(AT_ONCE, attempts=2))
    async def slow(ctx: Bench) -> None:
        try:
            await ctx.gate.wait()
        finally:
            ctx.page.append(f"cleaned up {ctx.attempt.number}")

    async with workshop(slow) as shop:
        handle = await shop.client.enqueue(slow)
        await shop.drain()

        letter = await DeadLetters(shop.client).get(handle.id)
        assert shop.page == ["cleaned up 1", "cleaned up 2"]
        assert {each.kind for each in letter.attempts} == {"app.engine.errors.JobTimeout"}
        assert isinstance(letter.last.error, JobTimeout)


async def test_a_job_that_ignores_its_cancellation_is_tried_again_once_it_has_gone(
    workshop: Open,
) -> None:
    @job(name="test.deaf", queue="default", timeout=seconds(0.3), retry=Fixed(AT_ONCE, attempts=2))
    async def deaf(ctx: Bench) -> str:
        ctx.page.append("begun")
        if ctx.attempt.number == 2:
            return "at last"
        while not ctx.gate.is_set():
            try:
                await ctx.gate.wait()
            except asyncio.CancelledError:
                ctx.page.append("never mind")
        return "too late"

    async with workshop(deaf, write) as shop, shop.working(abandon_after=seconds(0.2)):
        handle = await shop.client.enqueue(deaf)
        await eventually(lambda: "Snoozed" in endings(shop))
        seen = list(shop.page)
        shop.gate.set()
        result = await handle.result(within=seconds(20))

        assert seen == ["begun", "never mind"]
        assert result == "at last"
        assert [each for each in endings(shop) if each != "Snoozed"] == ["Retrying", "Succeeded"]
        assert shop.page == ["begun", "never mind", "begun"]
        assert await handle.result(within=seconds(1)) == "at last"


def endings(shop: Workshop) -> list[str]:
    return [type(over.outcome).__name__ for over in shop.heard]


async def test_a_result_is_kept_an_hour_and_then_gone(workshop: Open) -> None:
    async with workshop(write) as shop:
        handle = await shop.client.enqueue(write, "hello")
        await shop.drain()
        redis = shop.client.store.redis

        ttl = await redis.pttl(f"arq:result:{handle.id}")
        await redis.pexpire(f"arq:result:{handle.id}", 1)

        assert 3_590_000 < ttl <= 3_600_000
        await eventually(lambda: _is_unknown(shop.client, handle.id))


async def _is_unknown(client: Client, run_id: str) -> bool:
    return await client.run(run_id).status() == RunStatus.UNKNOWN


async def test_a_repeat_of_a_run_whose_result_is_not_kept_does_not_run_twice(
    workshop: Open,
) -> None:
    named = write.with_options(id="chosen")
    async with workshop(write) as shop:
        for _ in range(3):
            await shop.client.enqueue(named, "hello")
            await shop.drain(keep_result=AT_ONCE)

        assert shop.page == ["hello"]
        assert await shop.client.run("chosen").status() == RunStatus.SUCCEEDED


async def test_a_run_enqueued_again_while_it_waits_runs_or_is_over_is_one_run(
    workshop: Open, clean_redis: RedisSettings, codec: Codec
) -> None:
    named = pass_gate.with_options(id="chosen")
    async with workshop(pass_gate) as shop, Client.open(clean_redis, codec) as stranger:

        async def again() -> None:
            handles.append(await shop.client.enqueue(named, "I"))
            handles.append(await stranger.enqueue(named, "I"))

        handles = list[Handle[str]]()
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(again)
        async with shop.working():
            await eventually(lambda: shop.page)
            await again()
            shop.gate.set()
            assert await handles[0].result(within=seconds(5)) == "I, attempt 1"
            await again()

        assert sum(each.is_new for each in handles) == 1
        assert shop.page == ["I waits", "I passes"]


# bytes


MUTATIONS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda sealed: sealed[:-1],
    "half": lambda sealed: sealed[: len(sealed) // 2],
    "longer": lambda sealed: sealed + b"\0",
    "no envelope": lambda sealed: sealed[19:],
    "pickle": lambda _: b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system",
    "json": lambda _: b'{"f": "test.write", "a": [], "k": {}}',
    "zeros": lambda sealed: bytes(len(sealed)),
    "text": lambda _: b"\xff\xfe not ours",
    "large": lambda _: b"\x01" * 1_000_000,
    "other version": lambda sealed: b"\x02" + sealed[1:],
    "result": lambda sealed: sealed[:1] + b"\x02" + sealed[2:],
    "foreign": lambda _: Codec([b"a key that nobody here signs with"]).dumps(
        {"t": None, "f": "x", "a": (), "k": {}, "et": 0}
    ),
}


async def test_what_nobody_can_read_becomes_a_dead_letter_and_good_runs_run(
    workshop: Open,
) -> None:
    dice = random.Random(7)
    async with workshop(write) as shop:
        redis = shop.client.store.redis
        bad: dict[str, bytes] = {}
        mutations = list(MUTATIONS.values())
        for n in range(200):
            handle = await shop.client.enqueue(write, f"bad {n}")
            sealed = await redis.get(f"arq:job:{handle.id}")
            if n < len(mutations):
                bad[handle.id] = mutations[n](sealed)
            else:
                altered = bytearray(sealed)
                altered[dice.randrange(len(sealed))] ^= 1 << dice.randrange(8)
                bad[handle.id] = bytes(altered)
            await redis.set(f"arq:job:{handle.id}", bad[handle.id])
        await shop.client.enqueue_many(write.call(f"good {n}") for n in range(50))

        await shop.drain()

        letters = {each.id: each for each in await DeadLetters(shop.client).list(limit=500)}
        assert sorted(shop.page) == sorted(f"good {n}" for n in range(50))
        assert {id: letter.payload for id, letter in letters.items()} == {
            id: payload[: 64 * 1024] for id, payload in bad.items()
        }
        assert {letter.last.kind for letter in letters.values()} == {"app.engine.errors.BadPayload"}


async def test_a_run_without_a_payload_becomes_a_dead_letter(workshop: Open) -> None:
    async with workshop(write) as shop:
        lost = await shop.client.enqueue(write, "x")
        await shop.client.store.redis.delete(f"arq:job:{lost.id}")
        await shop.client.store.redis.zadd("arq:queue:default", {"a stranger's member": 1})

        await shop.drain()

        assert shop.page == []
        assert {each.id for each in await DeadLetters(shop.client).list()} == {
            lost.id,
            "a stranger's member",
        }


async def test_a_payload_moved_to_another_run_or_queue_does_not_run(workshop: Open) -> None:
    async with workshop(write) as shop:
        redis = shop.client.store.redis
        original = await shop.client.enqueue(write.with_options(delay=hours(1)), "x")
        sealed = await redis.get(f"arq:job:{original.id}")
        await redis.set("arq:job:copy", sealed)
        await redis.zadd("arq:queue:default", {"copy": 1})
        moved = await shop.client.enqueue(write, "y")
        await redis.zrem("arq:queue:default", moved.id)
        await redis.zadd("arq:queue:urgent", {moved.id: 1})

        async with shop.working():
            await eventually(lambda: len(shop.heard) == 2)

        assert shop.page == []
        for id in ("copy", moved.id):
            letter = await DeadLetters(shop.client).get(id)
            assert isinstance(letter.last.error, BadPayload)
        assert await original.status() == RunStatus.DEFERRED


@pytest.mark.parametrize("kept", [hours(1), AT_ONCE], ids=["result", "no result"])
async def test_the_payload_of_a_run_that_is_over_does_not_run_again(
    workshop: Open, kept: timedelta
) -> None:
    async with workshop(write, die) as shop:
        done = await shop.client.enqueue(write, "once")
        broken = await shop.client.enqueue(die, "never again")
        redis = shop.client.store.redis
        sealed = {run.id: await redis.get(keys.payload(run.id)) for run in (done, broken)}
        await shop.drain(keep_result=kept)
        failed = await DeadLetters(shop.client).get(broken.id)
        for id, payload in sealed.items():
            await redis.set(keys.payload(id), payload)
            await redis.zadd("arq:queue:default", {id: 1})

        await shop.drain(keep_result=kept)

        assert sorted(shop.page) == ["never again", "once"]
        assert repr(await DeadLetters(shop.client).get(broken.id)) == repr(failed)
        letter = await DeadLetters(shop.client).get(done.id)
        assert isinstance(letter.last.error, BadPayload)
        assert letter.payload == sealed[done.id]
        assert [over.run.is_over for over in shop.heard] == [False, False, True, True]
        assert await done.status() == RunStatus.SUCCEEDED


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_plain_arq_client_may_enqueue_if_we_accept_it(
    workshop: Open, redis_settings: RedisSettings, codec: Codec, accepted: bool
) -> None:
    async with workshop(write) as shop:
        pool = await arq.create_pool(
            redis_settings,
            job_serializer=codec.dumps,
            job_deserializer=codec.loads,
            default_queue_name="arq:queue:default",
        )
        try:
            plain = await pool.enqueue_job("test.write", "hello")
            assert plain is not None
            async with shop.working(accept_plain=accepted):
                await eventually(lambda: shop.heard)

            if accepted:
                assert await plain.result(timeout=5) == 5
                assert shop.page == ["hello"]
            else:
                with pytest.raises(BadPayload, match="ACCEPT_PLAIN"):
                    await plain.result(timeout=5)
                assert shop.page == []
                letter = await DeadLetters(shop.client).get(plain.job_id)
                assert "ACCEPT_PLAIN" in letter.last.message
        finally:
            await pool.aclose()


# queues


async def test_the_urgent_queue_comes_first(workshop: Open) -> None:
    async with workshop(write, hurry) as shop:
        await shop.client.enqueue_many(write.call(f"slow {n}") for n in range(5))
        await shop.client.enqueue_many(hurry.call(f"fast {n}") for n in range(5))

        await shop.drain(concurrency=1)

        assert shop.page[:5] == [f"fast {n}" for n in range(5)]


async def test_no_more_runs_than_slots_are_at_work(workshop: Open) -> None:
    @job(name="test.count", queue="urgent")
    async def count(ctx: Bench) -> None:
        ctx.page.append("in")
        busiest.append(ctx.page.count("in") - ctx.page.count("out"))
        await anyio.lowlevel.checkpoint()
        ctx.page.append("out")

    busiest: list[int] = []
    async with workshop(count) as shop:
        await shop.client.enqueue_many(count.call() for _ in range(100))
        await shop.drain(concurrency=3)

        assert len(busiest) == 100
        assert max(busiest) <= 3


async def test_three_workers_share_the_work_and_do_each_run_once(workshop: Open) -> None:
    async with workshop(write) as shop:
        await shop.client.enqueue_many(write.call(str(n)) for n in range(300))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(lambda: shop.drain(concurrency=5))

        assert sorted(shop.page, key=int) == [str(n) for n in range(300)]
        assert len({over.run.lease.rpartition(":")[0] for over in shop.heard}) == 3


async def test_a_burst_waits_for_deferred_runs_and_retries(workshop: Open) -> None:
    async with workshop(write, fail) as shop:
        await shop.client.enqueue(write.with_options(delay=seconds(0.2)), "later")
        await shop.client.enqueue(fail)

        await shop.drain()

        assert sorted(shop.page) == ["later", "try 1", "try 2", "try 3"]


# stopping


async def test_a_stopping_worker_lets_short_runs_finish_and_gives_long_ones_back(
    workshop: Open,
) -> None:
    @job(name="test.short", queue="default")
    async def short(ctx: Bench) -> str:
        ctx.page.append("short begun")
        await anyio.sleep(0.2)
        return "done"

    async with workshop(short, pass_gate) as shop:
        quick = await shop.client.enqueue(short)
        long = await shop.client.enqueue(pass_gate, "long")
        first = shop.worker(grace=seconds(0.5))
        async with anyio.create_task_group() as group:
            group.start_soon(first.run)
            await eventually(lambda: len(shop.page) == 2)
            await shop.client.enqueue(short.with_options(id="late"))
            first.stop()

        assert await quick.result(within=seconds(1)) == "done"
        assert await long.status() == RunStatus.QUEUED
        assert await shop.client.workers() == []
        shop.gate.set()
        async with shop.working():
            assert await long.result(within=seconds(5)) == "long, attempt 1"
            assert await shop.client.run("late").result(within=seconds(5)) == "done"


async def test_nothing_is_claimed_after_the_stop(workshop: Open) -> None:
    async with workshop(write, pass_gate) as shop:
        await shop.client.enqueue(pass_gate, "I")
        worker = shop.worker(grace=seconds(5))
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            await eventually(lambda: shop.page)
            worker.stop()
            await anyio.wait_all_tasks_blocked()
            await shop.client.enqueue_many(write.call(str(n)) for n in range(5))
            shop.gate.set()

        assert shop.page == ["I waits", "I passes"]
        assert (await shop.client.queues())[1].ready == 5


async def test_a_second_stop_skips_the_grace(workshop: Open) -> None:
    async with workshop(pass_gate) as shop:
        handle = await shop.client.enqueue(pass_gate, "I")
        worker = shop.worker(grace=minutes(5))
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(worker.run)
                await eventually(lambda: shop.page)
                worker.stop()
                worker.stop()

        assert await handle.status() == RunStatus.QUEUED
        assert shop.page == ["I waits"]


def _has_lines(shop: Workshop, count: int) -> bool:
    return len(shop.page) == count


async def test_restarts_exhaust_no_attempts(workshop: Open) -> None:
    async with workshop(pass_gate) as shop:
        handle = await shop.client.enqueue(pass_gate, "I")
        for n in range(6):
            async with shop.working():
                await eventually(partial(_has_lines, shop, n + 1))
        shop.gate.set()

        async with shop.working():
            assert await handle.result(within=seconds(5)) == "I, attempt 1"


async def test_a_run_that_cleans_up_when_released_is_not_charged(workshop: Open) -> None:
    @job(name="test.careful", queue="default", retry=NEVER)
    async def careful(ctx: Bench) -> int:
        ctx.page.append("begun")
        try:
            await ctx.gate.wait()
        finally:
            if not ctx.gate.is_set():
                raise RuntimeError("interrupted")
        return ctx.attempt.number

    async with workshop(careful) as shop:
        handle = await shop.client.enqueue(careful)
        async with shop.working():
            await eventually(lambda: shop.page)
        shop.gate.set()

        async with shop.working():
            assert await handle.result(within=seconds(5)) == 1


# death and absence


async def test_a_dead_workers_run_is_done_by_another(workshop: Open) -> None:
    async with workshop(write) as shop:
        store = shop.client.store
        handle = await shop.client.enqueue(write, "x")
        async with alive(store, "doomed"):
            await claim(store, "doomed")
            await dies(store, "doomed")

        async with shop.working():
            assert await handle.result(within=seconds(5)) == 1
        assert shop.heard[0].run.attempt == 2


async def test_a_job_that_takes_its_workers_down_dies_in_the_end(workshop: Open) -> None:
    async with workshop(fail, write) as shop:
        store = shop.client.store
        poison = await shop.client.enqueue(fail)
        for n in range(2):
            (run,) = (await claim(store, f"doomed{n}")).runs
            await Suspects(store).begin(run)
            await dies(store, f"doomed{n}")
        assert await claimed_ids(store, "w1") == []
        trial = await Suspects(store).take("doomed3", QUEUES, lease=LEASE)
        assert trial
        await Suspects(store).begin(trial.run)
        bystander = await shop.client.enqueue(write, "x")

        await shop.drain()

        letter = await DeadLetters(shop.client).get(poison.id)
        assert isinstance(letter.last.error, WorkerDied)
        assert letter.last.message.startswith("crashed 3x")
        assert [each.worker for each in letter.attempts[:3]] == ["doomed0", "doomed1", "doomed3"]
        assert shop.page == ["x"]
        assert await bystander.status() == RunStatus.SUCCEEDED


async def test_a_worker_that_lost_its_sign_of_life_runs_nothing_twice(workshop: Open) -> None:
    async with workshop(pass_gate) as shop, shop.working(lease=seconds(2)) as worker:
        handle = await shop.client.enqueue(pass_gate, "I")
        await eventually(lambda: shop.page)
        await dies(shop.client.store, worker.id)
        await eventually(lambda: shop.client.store.redis.exists(f"steward:worker:{worker.id}"))
        shop.gate.set()

        assert await handle.result(within=seconds(5)) == "I, attempt 1"
        assert shop.page == ["I waits", "I passes"]


async def test_what_another_worker_took_over_is_committed_once(workshop: Open) -> None:
    async with workshop(pass_gate) as shop, shop.working(lease=seconds(4)) as isolated:
        handle = await shop.client.enqueue(pass_gate, "I")
        await eventually(lambda: shop.page)

        async def is_taken_over() -> bool:
            await dies(shop.client.store, isolated.id)  # again and again: it shows that it is alive
            return len(shop.page) == 2

        async with shop.working():
            await eventually(is_taken_over)
            shop.gate.set()

            assert await handle.result(within=seconds(5)) == "I, attempt 2"
            await eventually(lambda: len(shop.page) == 4)

        assert [over.run.attempt for over in shop.heard] == [2]


async def test_cut_connections_lose_nothing_and_run_nothing_twice(workshop: Open) -> None:
    async with workshop(write) as shop, shop.working(concurrency=5):
        handles = await shop.client.enqueue_many(write.call(str(n)) for n in range(200))
        async with as_admin(shop.redis) as knife:
            for _ in range(20):
                await knife.client_kill_filter(_type="normal", skipme=True)
                await anyio.sleep(0.03)
        await eventually(lambda: _are_over(shop, [each.id for each in handles]))

        counts = Counter(shop.page)
        assert set(counts) == {str(n) for n in range(200)}
        assert set(counts.values()) == {1}


async def _are_over(shop: Workshop, ids: list[str]) -> bool:
    try:
        statuses = {await shop.client.run(id).status() for id in ids}
    except Unavailable:  # this connection was cut too
        return False
    return statuses == {RunStatus.SUCCEEDED}


async def test_an_outcome_waits_for_a_redis_that_does_not_answer(workshop: Open) -> None:
    async with workshop(pass_gate) as shop, shop.working():
        handle = await shop.client.enqueue(pass_gate, "I")
        await eventually(lambda: shop.page)
        async with as_admin(shop.redis) as admin:
            await admin.client_pause(500, all=True)
        shop.gate.set()

        assert await handle.result(within=seconds(10)) == "I, attempt 1"
        assert shop.page == ["I waits", "I passes"]
        assert await shop.client.store.redis.get("steward:events:count") == b"1"


# and nothing stays


async def test_a_busy_day_leaves_nothing_but_results_and_letters(workshop: Open) -> None:
    async with workshop(write, fail, die, wait, hurry) as shop:
        async with shop.working():
            await shop.client.enqueue_many(write.call(str(n)) for n in range(50))
            doomed = await shop.client.enqueue_many(die.call(str(n)) for n in range(5))
            waiting = [await shop.client.enqueue(wait) for _ in range(5)]
            keyed = hurry.with_options(key="k")
            handles = [await shop.client.enqueue(keyed, str(n)) for n in range(5)]
            for each in waiting:
                await each.cancel()
            for each in waiting:
                with pytest.raises(RunCancelled):
                    await each.result(within=seconds(5))
            await eventually(lambda: len(shop.heard) >= 50)
        await shop.drain()

        left = Counter(key.rpartition(":")[0] for key in await keys_of(shop.client))
        ran = len({each.id for each in handles})
        assert left == {
            "arq:result": 50 + len(doomed) + len(waiting) + ran,
            "steward:dead": len(doomed),
            "steward:cause": 1,
            "steward": 4,  # the letters' index and their causes, the stream, the worker's last word
            "steward:events": 1,
        }


async def test_a_lease_outlasts_the_slowest_job_its_clean_up_and_a_blocked_loop(
    workshop: Open,
) -> None:
    async with workshop(pass_gate, wait) as shop, shop.working(max_block=seconds(30)):
        handle = await shop.client.enqueue(pass_gate, "I")
        await eventually(lambda: shop.page)

        lease = await shop.client.store.redis.pttl(f"arq:in-progress:{handle.id}")
        shop.gate.set()

        assert lease > 1000 * (pass_gate.timeout + seconds(10) + seconds(30)).total_seconds()
        await handle.result(within=seconds(5))
