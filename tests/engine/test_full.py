"""A Redis without memory: nothing is enqueued, and what is queued is drained all the same."""

import logging
from collections.abc import AsyncGenerator
from secrets import token_hex
from time import monotonic

import pytest

from app.engine import Client, Codec, QueueFull, job, seconds
from app.engine.redis import keys
from tests import servers
from tests.engine.conftest import Bench, workshop_at
from tests.engine.jobs import write
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.rights import asked
from tests.servers import PROGRAMS, Server

MIB = 1024 * 1024
TEXT = token_hex(10_000)  # chance can't be compressed
LIMIT = 1.0  # s


@job(name="test.weigh", queue="default")
async def weigh(ctx: Bench, text: str) -> int:
    """Say how heavy the text is."""
    ctx.page.append("weighed")
    return len(text)


@pytest.fixture(params=PROGRAMS)
async def server(request: pytest.FixtureRequest) -> AsyncGenerator[Server]:
    """One with little memory, and a policy that drops nothing."""
    with servers.folder() as place:
        path = servers.program(request.param)
        async with servers.running(path, place, maxmemory_policy="noeviction") as running:
            used = int((await asked(running.nearby, "INFO", "memory"))["used_memory"])
            await asked(running.nearby, "CONFIG", "SET", "maxmemory", used + 6 * MIB)
            yield running


@pytest.mark.not_by("resp2", why="with it the log says once that the server tells nothing")
@pytest.mark.case(23)
async def test_a_full_server_refuses_runs_and_lets_them_be_drained(
    server: Server, codec: Codec, case: Case, caplog: pytest.LogCaptureFixture, tier: Tier
) -> None:
    caplog.set_level(logging.WARNING)
    handles, took = list[str](), 0.0

    async with (
        workshop_at(server.settings, codec, weigh, write) as shop,
        Client.open(server.settings, codec, jobs=shop.jobs) as stranger,
    ):
        while not took:
            started_at = monotonic()
            try:
                handles.append((await stranger.enqueue(weigh, TEXT)).id)
            except QueueFull:
                took = monotonic() - started_at
        async with shop.working(lease=seconds(2)) as worker:
            await eventually(lambda: len(shop.page) == len(handles))
            await eventually(lambda: len(shop.heard) == len(handles))
            short = [await stranger.store.redis.pttl(keys.result(id)) for id in handles[:3]]
            seen = [each.id for each in await stranger.workers()]
            await stranger.store.redis.delete(*map(keys.result, handles))
            after = await stranger.enqueue(write, "after")
            assert await after.result(within=seconds(20))
            last = await stranger.store.redis.pttl(keys.result(after.id))

    case.says(
        f"{len(handles)} runs until the server's memory was full",
        arq="its worker dies within 0.6 s",
        steward=f"QueueFull in {1000 * took:.0f} ms, all {len(handles)} drained while it was full",
    )
    assert took <= tier.bound(LIMIT, loose=5 * LIMIT)
    assert seen == [worker.id]
    assert all(0 < each <= 60_000 for each in short)  # kept no longer than a moment
    assert last > 60_000
    assert caplog.records == []
