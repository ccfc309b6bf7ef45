"""A line that loses requests and answers all the time: every step is done once, and soon."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from random import Random
from time import monotonic
from typing import Any, TypeVar

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, DeadLetters, Job, Over, RunStatus, Unavailable, hours, seconds
from app.engine.outcome import Dead, Succeeded
from app.engine.redis import keys
from app.engine.redis.connection import make_blocking_redis
from app.engine.roles.lease import Lease
from app.engine.roles.slots import Slots
from app.engine.roles.watcher import Watcher
from tests.engine.conftest import workshop_at
from tests.engine.jobs import die, fail, write
from tests.engine.lossy import OPERATIONS, Lossy
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.proxy import Proxy, proxied
from tests.unanswered import spare

SHARE = 0.05
LEASE = seconds(2)
HEARTS, LOADED = 20, 4  # times as long, where the machine does other things
WORKERS, AT_ONCE = 4, 12
TIMES = {write.name: 1, fail.name: 3, die.name: 1}
"""How often each job is tried."""
T = TypeVar("T")
Heard = Callable[[Over], None]


@pytest.fixture
async def proxy(clean_redis: RedisSettings) -> AsyncGenerator[Proxy]:
    async with proxied(clean_redis) as opened:
        yield opened


@pytest.fixture
async def stranger(clean_redis: RedisSettings, codec: Codec) -> AsyncGenerator[Client]:
    """A client with a way of its own."""
    async with Client.open(clean_redis, codec, jobs={}) as opened:
        yield opened


class Customers:
    """Enqueue over the lossy line, ask again where they must, and wait for what became of it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.heard = list[Over]()
        self._waiting = dict[str, anyio.Event]()
        self.tried = dict[str, int]()
        """How often each run has to be."""
        self.cancelled = list[str]()
        self.slowest = 0.0

    def hear(self, over: Over) -> None:
        """Told by the worker, of each attempt."""
        self.heard.append(over)
        if isinstance(over.outcome, Succeeded | Dead):
            self._waiting[over.run.id].set()

    async def serve(self, count: int) -> None:
        """So many calls of each kind, some at once."""
        async with anyio.create_task_group() as group:
            for start in range(AT_ONCE):
                group.start_soon(self._serve_some, range(start, count, AT_ONCE))

    async def _serve_some(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            await self._see(write, "x", id=f"write-{number}")
            await self._see(die, "x", id=f"die-{number}")
            if number % 2:
                await self._see(fail, id=f"fail-{number}")
            await self._cancel(f"cancel-{number}")

    async def _see(self, job: Job[Any, ..., Any], *args: str, id: str) -> None:
        self._waiting[id] = anyio.Event()
        await _insist(lambda: self._client.enqueue(job.with_options(id=id), *args))
        began = monotonic()
        with anyio.fail_after(LOADED * 2 * LEASE.total_seconds()):
            await self._waiting[id].wait()
        self.slowest = max(self.slowest, monotonic() - began)
        self.tried[id] = TIMES[job.name]

    async def _cancel(self, id: str) -> None:
        later = write.with_options(delay=hours(1), id=id)
        handle = await _insist(lambda: self._client.enqueue(later, "never"))
        await _insist(handle.cancel)
        self.cancelled.append(id)


async def _insist(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer: a typed error is none."""
    while True:
        try:
            return await ask()
        except Unavailable:
            continue


class Hearts:
    """Signs of life, each shown by a thread of its own over the lossy line."""

    def __init__(self, settings: RedisSettings) -> None:
        slots = Slots(1, grace=seconds(1), ended=lambda _running, _outcome: None)
        self._leases = [
            Lease(
                partial(make_blocking_redis, settings),
                worker=f"heart-{number}",
                length=LEASE,
                watcher=Watcher(slots, max_block=seconds(60)),
                describe=lambda: b"alive",
            )
            for number in range(HEARTS)
        ]
        self.lapsed = 0

    async def beat(self, lossy: Lossy, count: int) -> None:
        """Until so many signs were given; none may be missing meanwhile."""
        for each in self._leases:
            each.start()
        while lossy.asked["heartbeat"] < count:
            self.lapsed += sum(not each.is_shown for each in self._leases)
            await anyio.sleep(0.05)

    async def stop(self) -> None:
        """Leave nothing behind."""
        for each in self._leases:
            await anyio.to_thread.run_sync(each.stop)


@asynccontextmanager
async def working(settings: RedisSettings, codec: Codec, heard: Heard) -> AsyncGenerator[list[str]]:
    """Some workers at the far end of the line, each with a connection of its own; their page."""
    page = list[str]()
    async with AsyncExitStack() as stack:
        for _ in range(WORKERS):
            shop = await stack.enter_async_context(workshop_at(settings, codec, write, fail, die))
            shop.page = page
            await stack.enter_async_context(shop.working(concurrency=2, heard=heard))
        yield page


@pytest.mark.case(18)
@pytest.mark.timeout(600)
async def test_a_line_that_loses_a_tenth_of_every_operation_loses_no_run_and_doubles_none(
    proxy: Proxy, stranger: Client, codec: Codec, tier: Tier, seed: int, case: Case
) -> None:
    count, lossy = tier.of(30, 1_000), Lossy(Random(seed), share=SHARE)
    hearts = Hearts(proxy.settings)
    async with Client.open(proxy.settings, codec) as client:
        customers = Customers(client)
        async with working(proxy.settings, codec, customers.hear) as page:
            proxy.judge = lossy
            await customers.serve(count)
            await hearts.beat(lossy, count)
            proxy.judge = spare
            await hearts.stop()

    done = [over.run.id for over in customers.heard if isinstance(over.outcome, Succeeded)]
    dead = {each.id for each in await DeadLetters(stranger).list(limit=10 * count)}
    case.says(
        f"{sum(lossy.asked.values()):,} requests of {len(lossy.asked)} operations, of each 5 %"
        f" lost and of 5 % the answers: {_said(lossy)}; seed {seed}",
        arq="50 of 1,000 enqueues lost, a claim lost costs 300 s",
        steward=f"{len(customers.tried):,} runs, each done once, {len(customers.cancelled):,}"
        f" cancelled, the slowest over after {customers.slowest:.1f} s; no lease lapsed",
    )
    assert lossy.asked.keys() == OPERATIONS.keys()
    assert min(lossy.lost.total(), lossy.unheard.total()) > count / 5
    assert len(done) == len(set(done))
    assert {*done, *dead} == customers.tried.keys()
    assert dead.isdisjoint(done)
    assert len(page) == sum(customers.tried.values())
    assert {await stranger.run(id).status() for id in customers.cancelled} == {RunStatus.CANCELLED}
    assert not await stranger.store.redis.exists(keys.queue("default"))
    assert hearts.lapsed == 0


def _said(lossy: Lossy) -> str:
    return ", ".join(
        f"{name} {lossy.lost[name]}+{lossy.unheard[name]} of {asked:,}"
        for name, asked in sorted(lossy.asked.items())
    )
