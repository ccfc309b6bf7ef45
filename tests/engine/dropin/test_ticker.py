"""arq's cron jobs: who starts them, when, and how often."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from arq import cron
from arq.connections import ArqRedis

from app.engine import Client, DeclarationError, ManualClock, hours, seconds
from app.engine.dropin.ticker import Ticker
from tests.engine.dropin.conftest import Ctx, Open
from tests.eventually import eventually
from tests.rights import asked

QUEUE = "/arq:queue"


async def water(ctx: Ctx, *args: Any, **kwargs: Any) -> None: ...


async def begun(client: Client, **options: Any) -> Ticker:
    """A worker's, over a single cron job."""
    job = cron(water, microsecond=0, **options)
    ticker = Ticker([job], UTC, client.store, queue=QUEUE, seal=str.encode)
    await ticker.begin()
    return ticker


async def queued(client: Client) -> list[tuple[str, datetime]]:
    """What waits, and when it is due; then the queue is empty, and its runs are over."""
    redis: Any = client.store.redis
    found = await redis.zrange("arq:queue", 0, -1, withscores=True)
    await asked(redis, "FLUSHDB")
    return [(id.decode(), datetime.fromtimestamp(due / 1000, UTC)) for id, due in found]


def until_the_hour(clock: ManualClock) -> Any:
    """How long until a moment before the next hour begins."""
    now = clock.now()
    return now.replace(minute=59, second=59, microsecond=500_000) - now


async def test_a_tick_is_queued_a_moment_before_it_is_due(
    client: Client, clock: ManualClock
) -> None:
    ticker = await begun(client, minute=0)
    await ticker.fire_due()
    before = await queued(client)

    clock.advance(until_the_hour(clock))
    await ticker.fire_due()

    ((id, due),) = await queued(client)
    assert before == []
    assert (due.minute, due.second, due.microsecond) == (0, 0, 0)
    assert id == f"cron:water:{round(due.timestamp() * 1000)}"  # as arq's workers name it


async def test_of_several_workers_the_first_queues_a_tick(
    client: Client, clock: ManualClock
) -> None:
    tickers = [await begun(client, minute=0) for _ in range(3)]

    clock.advance(until_the_hour(clock))
    for each in tickers:
        await each.fire_due()

    assert len(await queued(client)) == 1


async def test_a_job_that_is_not_unique_is_queued_by_each_worker(
    client: Client, clock: ManualClock
) -> None:
    tickers = [await begun(client, minute=0, unique=False) for _ in range(3)]

    clock.advance(until_the_hour(clock))
    for each in tickers:
        await each.fire_due()
        await each.fire_due()

    assert len(await queued(client)) == 3


async def test_a_job_may_have_an_id_of_its_own(client: Client, clock: ManualClock) -> None:
    ticker = await begun(client, minute=0, job_id="the one")

    clock.advance(until_the_hour(clock))
    await ticker.fire_due()

    assert [id for id, _ in await queued(client)] == ["the one"]


async def test_ticks_that_were_missed_are_queued_as_one(client: Client, clock: ManualClock) -> None:
    ticker = await begun(client, minute=0)

    clock.advance(hours(7))
    await ticker.fire_due()
    missed = await queued(client)
    await ticker.fire_due()
    more = await queued(client)
    clock.advance(until_the_hour(clock))
    await ticker.fire_due()

    assert (len(missed), len(more), len(await queued(client))) == (1, 0, 1)


async def test_what_was_missed_while_no_worker_ran_is_not_made_up_for(
    client: Client, clock: ManualClock
) -> None:
    await begun(client, minute=0)
    clock.advance(hours(7))

    ticker = await begun(client, minute=0)
    await ticker.fire_due()

    assert await queued(client) == []


async def test_a_job_that_runs_at_startup_is_queued_then_and_at_its_ticks(
    client: Client, clock: ManualClock
) -> None:
    ticker = await begun(client, minute=0, run_at_startup=True)
    at_startup = await queued(client)

    clock.advance(until_the_hour(clock))
    await ticker.fire_due()

    assert (len(at_startup), len(await queued(client))) == (1, 1)


async def test_cron_jobs_run_in_the_projects_worker(project: Open) -> None:
    page: list[str] = []

    async def note(ctx: Ctx) -> None:
        page.append(ctx["job_id"])

    jobs: Any = [
        cron(note, name="second", second=None, microsecond=0),
        cron(note, name="startup", hour=0, minute=0, run_at_startup=True),
    ]
    async with project(cron_jobs=jobs) as theirs:
        async with theirs.working():
            await eventually(lambda: len(page) >= 4, within=seconds(20))

        assert await _results(theirs.plain) == []  # a cron job keeps none, unless it says so
        await asked(theirs.plain, "FLUSHDB")  # the next tick may be queued already
    names = [line.partition(":")[0] for line in page]
    assert names.count("startup") == 1
    assert len(set(page)) == len(page)


async def _results(plain: ArqRedis) -> list[Any]:
    return [
        json.loads(await plain.get(each) or b"0")
        for each in await asked(plain, "KEYS", "arq:result:*")
    ]


async def test_a_cron_job_that_never_comes_keeps_the_worker_from_starting(project: Open) -> None:
    never: Any = cron(water, month=2, day=30)
    async with project(cron_jobs=[never]) as theirs:
        with pytest.raises(DeclarationError, match="cron:water is never due"):
            await theirs.drain()
