"""Stock arq on our queues, beside us: clients that enqueue, workers that share the work."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import timedelta
from statistics import median, quantiles
from time import monotonic
from typing import Any

import anyio
import pytest
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job as PlainRun

from app.engine import Codec, DeadLetters, Fixed, RunStatus, job, seconds
from app.engine.redis import keys
from tests.engine.conftest import Bench, Open, Workshop
from tests.engine.jobs import pass_gate, wait, write
from tests.engine.stock import QUEUE, plain_client, plain_working
from tests.eventually import eventually

RUNS = 6_000
FAILURES = (0, 0, 0, 0, 0, 0, 0, 1, 2, 3)
"""How often a run fails, of each ten; who fails three times is dead."""
RARELY = seconds(30)
ROOM = 0.01  # s: what the machine does beside may take so long


@pytest.fixture
async def plain(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[ArqRedis]:
    """A client of stock arq."""
    async with plain_client(clean_redis, codec) as opened:
        yield opened


@job(name="test.stumble", queue="default", retry=Fixed(seconds(0.02), attempts=3))
async def stumble(ctx: Bench, failures: int) -> None:
    """Write down each attempt, and fail so many times."""
    ctx.page.append(f"{ctx.attempt.run_id} {ctx.attempt.number} {ctx.attempt.worker}")
    await anyio.sleep(0.005)  # else ours are done before a plain worker has claimed anything
    if ctx.attempt.number <= failures:
        raise RuntimeError("stumbled")


# sharing the work


async def test_plain_and_our_workers_share_a_queue(workshop: Open) -> None:
    async with workshop(stumble) as shop:
        calls = [stumble.call(FAILURES[n % len(FAILURES)]) for n in range(RUNS)]
        handles = await shop.client.enqueue_many(calls)
        wanted = {each.id: call.args[0] for each, call in zip(handles, calls, strict=True)}

        begun = monotonic()
        async with (
            plain_working(shop, max_jobs=100),
            plain_working(shop, max_jobs=100),
            shop.working(concurrency=4),
            shop.working(concurrency=4),
        ):
            await eventually(lambda: _is_empty(shop), within=seconds(50))
        took = monotonic() - begun

        _print_shares(shop.page, took)
        made = Counter(tuple(line.split()[:2]) for line in shop.page)
        due = {(id, f"{n}"): 1 for id, failures in wanted.items() for n in _numbers(failures)}
        assert made == due
        ended = await _ended(shop, list(wanted))
        assert ended == {
            id: (_numbers(failures)[-1], failures < 3) for id, failures in wanted.items()
        }


def _numbers(failures: int) -> range:
    """The attempts that a run with so many failures makes."""
    return range(1, 1 + min(failures + 1, 3))


async def _is_empty(shop: Workshop) -> bool:
    return not await shop.client.store.redis.exists(QUEUE)


async def _ended(shop: Workshop, ids: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """The last attempt of each run, and whether it succeeded."""
    found: Any = await shop.client.store.redis.mget(map(keys.result, ids))
    kept = [shop.client.codec.open_result(each) for each in found]
    return {each.id: (each.t, each.s) for each in kept}


def _print_shares(page: Sequence[str], took: float) -> None:
    shares = Counter("plain" if line.endswith(" arq") else "ours" for line in page)
    assert min(shares["plain"], shares["ours"]) > len(page) / 50, shares
    said = ", ".join(f"{100 * count / len(page):.0f} % {whose}" for whose, count in shares.items())
    print(f"interop: {RUNS} runs, {len(page)} attempts in {took:.1f} s: {said}")


# being told


@job(name="test.stamp", queue="default")
async def stamp(ctx: Bench) -> None:
    """Write down when it started."""
    ctx.page.append(str(monotonic()))


@pytest.mark.not_by("resp2", why="with it a server tells nothing")
async def test_a_plain_clients_runs_start_as_promptly_as_ours(
    workshop: Open, plain: ArqRedis
) -> None:
    async with workshop(stamp) as shop, shop.working(poll=RARELY, accept_plain=True):
        ours, theirs = list[float](), list[float]()
        for _ in range(100):
            ours.append(await _waited(shop, lambda: shop.client.enqueue(stamp)))
            theirs.append(await _waited(shop, lambda: plain.enqueue_job("test.stamp")))

    usual, (p50, p99) = median(ours), (quantiles(theirs, n=100)[n] for n in (49, 98))
    print(
        f"plain client: p50 {1e3 * p50:.1f} ms, p99 {1e3 * p99:.1f} ms;"
        f" our own: p50 {1e3 * usual:.1f} ms"
    )
    assert p50 <= 3 * usual + ROOM


async def _waited(shop: Workshop, enqueue: Callable[[], Awaitable[object]]) -> float:
    """From the call of enqueue to the first line of the job, in seconds."""
    lines, before = len(shop.page), monotonic()
    await enqueue()
    await _written(shop, lines + 1)
    return float(shop.page[-1]) - before


async def _written(shop: Workshop, lines: int) -> None:
    await eventually(lambda: len(shop.page) == lines)


async def test_a_plain_clients_deferred_run_starts_when_it_is_due(
    workshop: Open, plain: ArqRedis
) -> None:
    async with workshop(write) as shop, shop.working(poll=RARELY, accept_plain=True):
        begun = monotonic()
        await plain.enqueue_job("test.write", "later", _defer_by=0.5)

        await eventually(lambda: shop.page)

        assert 0.45 < monotonic() - begun < RARELY.total_seconds() / 10


async def test_a_plain_clients_run_does_not_expire_while_it_waits(
    workshop: Open, plain: ArqRedis
) -> None:
    async with workshop(write) as shop:
        runs = [await plain.enqueue_job("test.write", "x", _defer_by=60) for _ in range(300)]
        ids = [run.job_id for run in runs if run]

        async with shop.working(accept_plain=True):
            await eventually(lambda: _never_expire(shop, ids))

        for id in ids:
            await shop.client.run(id).cancel()


async def _never_expire(shop: Workshop, ids: Sequence[str]) -> bool:
    return all([await shop.client.store.redis.ttl(keys.payload(id)) == -1 for id in ids])


# leases


async def test_a_live_plain_workers_lease_is_respected(workshop: Open) -> None:
    async with workshop(pass_gate, write) as shop, plain_working(shop) as theirs:
        held = await shop.client.enqueue(pass_gate, "Ann")
        await eventually(lambda: shop.page == ["Ann waits"])
        theirs.allow_pick_jobs = False

        async with shop.working():
            for _ in range(3):
                await _look_at_the_head(shop)
            shop.gate.set()
            await held.result(within=seconds(5))

        assert [line for line in shop.page if "Ann" in line] == ["Ann waits", "Ann passes"]


async def test_a_dead_plain_workers_run_is_taken_when_its_lease_has_lapsed(workshop: Open) -> None:
    async with workshop(pass_gate, write) as shop:
        held = await shop.client.enqueue(pass_gate, "Ann")
        redis = shop.client.store.redis
        await redis.set(keys.lease(held.id), b"1", px=seconds(1))  # as arq leaves them
        await redis.set(keys.attempts(held.id), 1, ex=88_400)
        shop.gate.set()

        async with shop.working():
            await _look_at_the_head(shop)
            assert "Ann waits" not in shop.page
            assert await redis.exists(keys.lease(held.id))

            assert await held.result(within=seconds(5)) == "Ann, attempt 2"


async def test_a_plain_worker_respects_our_leases(workshop: Open) -> None:
    async with workshop(pass_gate, write) as shop, shop.working(concurrency=1):
        held = await shop.client.enqueue(pass_gate, "Ann")
        await eventually(lambda: shop.page == ["Ann waits"])

        async with plain_working(shop):
            other = await shop.client.enqueue(write, "after her")
            await other.result(within=seconds(5))
            shop.gate.set()
            await held.result(within=seconds(5))

        assert shop.page == ["Ann waits", "after her", "Ann passes"]


async def _look_at_the_head(shop: Workshop) -> None:
    """Have our worker claim from the head of the queue, past all that others hold."""
    await shop.client.store.redis.delete(keys.claimed("default"))
    await (await shop.client.enqueue(write, "behind")).result(within=seconds(5))


# aborts


@pytest.mark.parametrize("delay", [None, timedelta(hours=1)])
async def test_a_waiting_run_is_aborted_by_a_plain_client(
    workshop: Open, plain: ArqRedis, delay: timedelta | None
) -> None:
    async with workshop(write) as shop:
        run = await plain.enqueue_job("test.write", "never", _defer_by=delay)

        async with anyio.create_task_group() as group:
            group.start_soon(_aborted, run)
            await eventually(lambda: shop.client.store.redis.exists(keys.ABORT))
            async with shop.working(accept_plain=True):
                await eventually(lambda: shop.heard)

        assert shop.page == []


async def test_a_running_run_is_aborted_by_a_plain_client(workshop: Open, plain: ArqRedis) -> None:
    async with workshop(wait) as shop, shop.working(accept_plain=True):
        run = await plain.enqueue_job("test.wait")
        await eventually(lambda: shop.page)

        await _aborted(run)

        assert run is not None
        assert await shop.client.run(run.job_id).status() == RunStatus.CANCELLED
        assert await DeadLetters(shop.client).count() == 0


async def test_an_abort_of_a_run_that_is_over_leaves_nothing(
    workshop: Open, plain: ArqRedis
) -> None:
    async with workshop(write, wait) as shop, shop.working(accept_plain=True):
        run = await plain.enqueue_job("test.write", "done")
        assert run is not None
        await run.result(timeout=5, poll_delay=0.01)
        await shop.client.enqueue(wait)  # an idle worker has nothing to pass on

        assert not await run.abort(timeout=5)

        await eventually(lambda: _is_gone(shop, keys.ABORT))


async def _is_gone(shop: Workshop, key: str) -> bool:
    return not await shop.client.store.redis.exists(key)


async def _aborted(run: PlainRun | None) -> None:
    assert run is not None
    assert await run.abort(timeout=10, poll_delay=0.01)
