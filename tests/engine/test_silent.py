"""A server that stands still: every enqueue under way fails in time, and the worker comes back."""

from collections.abc import AsyncGenerator
from signal import SIGCONT, SIGSTOP
from time import monotonic

import anyio
import pytest

from app.engine import Client, Codec, Unavailable, seconds
from tests import servers
from tests.engine.conftest import workshop_at
from tests.engine.jobs import pass_gate, write
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.servers import Server

LIMIT = 3.0  # s
LOADED = 3  # times as long, where the machine is shared
COUNT = 50


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    with servers.folder() as place:
        async with servers.running(servers.program("valkey"), place) as running:
            yield running


@pytest.mark.case(20)
async def test_a_stopped_server_is_an_error_in_time_for_all_and_costs_no_run(
    server: Server, codec: Codec, case: Case, caplog: pytest.LogCaptureFixture, tier: Tier
) -> None:
    took, stored, noticed = list[float](), list[str](), 0.0

    async def enqueue(client: Client, number: int) -> None:
        started_at = monotonic()
        try:
            stored.append((await client.enqueue(write, str(number))).id)
        except Unavailable:
            took.append(monotonic() - started_at)

    async with (
        workshop_at(server.settings, codec, write, pass_gate) as shop,
        Client.open(server.settings, codec, jobs=shop.jobs) as stranger,
        shop.working(poll=seconds(30), lease=seconds(8)),
    ):
        held = await stranger.enqueue(pass_gate, "held")
        await eventually(lambda: shop.page)
        server.send(SIGSTOP)
        stopped_at = monotonic()
        shop.gate.set()
        async with anyio.create_task_group() as group:
            for number in range(COUNT):
                group.start_soon(enqueue, stranger, number)
            await eventually(lambda: "outcomes wait for Redis" in caplog.text)
            noticed = monotonic() - stopped_at
        await eventually(lambda: monotonic() - stopped_at > tier.bound(5, loose=1.2 * LIMIT))
        server.send(SIGCONT)
        back_at = monotonic()
        result = await held.result(within=seconds(20))
        await (await stranger.enqueue(write, "after")).result(within=seconds(20))
        recovered = monotonic() - back_at

    case.says(
        f"a server stood still for {back_at - stopped_at:.1f} s under {COUNT} enqueues at once",
        arq="they wait until it goes on",
        steward=f"each failed after {max(took):.1f} s at most, the worker saw it after "
        f"{noticed:.1f} s and had committed and run again {recovered:.2f} s after its end",
    )
    assert len(took) == COUNT
    assert max(took) < tier.bound(LIMIT, loose=LOADED * LIMIT)
    assert noticed < tier.bound(LIMIT, loose=LOADED * LIMIT)
    assert recovered < tier.bound(2, loose=LOADED * 2)
    assert result == "held, attempt 1"
    assert shop.page.count("held passes") == 1
