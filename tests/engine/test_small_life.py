"""A small life on every server and every way to it: each way a run can go, and no key but ours."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from arq.connections import RedisSettings

from app.engine import (
    Client,
    Codec,
    DeadLetters,
    ManualClock,
    RunCancelled,
    RunFailed,
    RunStatus,
    hours,
    schedule,
    seconds,
)
from tests import servers
from tests.engine.conftest import Workshop, workshop_at
from tests.engine.jobs import die, fail, pass_gate, write
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.rights import asked
from tests.servers import PROGRAMS, Server
from tests.services.mail.capture import CERTIFICATE
from tests.ways import at

JOBS = (write, fail, die, pass_gate)
RARELY, SOON = seconds(30), seconds(15)
HOURLY = schedule("0 * * * *", write.call("tick"))
ENDINGS = ["Cancelled", *["Dead"] * 3, *["Retrying"] * 2, *["Succeeded"] * 2]
OURS = (b"arq:", b"steward:")
DATABASES = range(16)
DEAF = "does not tell of changes"

Way = Callable[[Server], RedisSettings]


def by_tcp(server: Server) -> RedisSettings:
    """Its port."""
    return server.by_tcp


def by_socket_and_database(server: Server) -> RedisSettings:
    """Its unix socket, and another database."""
    return replace(server.nearby, database=DATABASES[-1])


def by_resp2(server: Server) -> RedisSettings:
    """Its port, in the older language, in which a server tells nothing unasked."""
    return at(f"redis://127.0.0.1:{server.port}/0?protocol=2")


def by_tls(server: Server) -> RedisSettings:
    """Its port for TLS, and another database."""
    if not server.tls_port:
        pytest.skip("this server was built without TLS")
    return at(f"rediss://localhost:{server.tls_port}/3?ssl_ca_certs={CERTIFICATE}")


WAYS = [
    *((name, way) for name in PROGRAMS for way in (by_tcp, by_socket_and_database, by_resp2)),
    ("redis", by_tls),  # the Valkey we bring knows no TLS
]


@pytest.fixture(scope="module", params=PROGRAMS)
async def server(request: pytest.FixtureRequest) -> AsyncGenerator[Server]:
    path = servers.program(request.param)
    with servers.folder() as place:
        tls = servers.tls_options(servers.free_port()) if servers.can_tls(path) else {}
        async with servers.running(path, place, **tls) as running:
            yield running


@pytest.fixture(autouse=True)
async def emptied(server: Server) -> None:
    await asked(server.nearby, "FLUSHALL")


async def keys_of(server: Server) -> dict[int, list[bytes]]:
    """What lies in each database of a server that has any."""
    found = {
        number: await asked(replace(server.nearby, database=number), "KEYS", "*")
        for number in DATABASES
    }
    return {number: keys for number, keys in found.items() if keys}


def strange(found: dict[int, list[bytes]]) -> list[bytes]:
    """The keys that are no keys of ours."""
    return [key for keys in found.values() for key in keys if not key.startswith(OURS)]


async def live(shop: Workshop, clock: ManualClock, stranger: Client) -> None:
    """Enqueue, retry, die, be retried by hand, cancel one that waits and one that runs, tick."""
    assert await (await stranger.enqueue(write, "done")).result(within=SOON) == 4
    for call in (fail.call(), die.call("dead")):
        handle = await stranger.enqueue_call(call)
        with pytest.raises(RunFailed):
            await handle.result(within=SOON)
        assert await handle.status() is RunStatus.DEAD
    again = await DeadLetters(stranger).retry(handle.id)
    with pytest.raises(RunFailed):
        await again.result(within=SOON)
    await cancel_both(shop, stranger)
    now = clock.now().astimezone(UTC)
    clock.advance(datetime(now.year, now.month, now.day, now.hour, tzinfo=UTC) + hours(1) - now)
    await eventually(lambda: "tick" in shop.page, within=SOON)
    await eventually(lambda: len(shop.heard) == len(ENDINGS), within=SOON)


async def cancel_both(shop: Workshop, stranger: Client) -> None:
    """One run that has begun, and one that waits."""
    held = await stranger.enqueue(pass_gate, "held")
    await eventually(lambda: "held waits" in shop.page, within=SOON)
    late = await stranger.enqueue(write.with_options(delay=hours(2)), "late")
    for each in (held, late):
        assert await each.cancel()
        with pytest.raises(RunCancelled):
            await each.result(within=SOON)


@pytest.mark.case(26)
@pytest.mark.parametrize(("server", "way"), WAYS, indirect=["server"])
async def test_every_way_a_run_can_go_leaves_no_key_but_ours(
    server: Server, way: Way, codec: Codec, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    clock, settings = ManualClock(), way(server)
    async with (
        workshop_at(settings, codec, *JOBS, clock=clock) as shop,
        Client.open(settings, codec, clock=clock, jobs=shop.jobs) as stranger,
        shop.working(poll=RARELY, timetable=[HOURLY]),
    ):
        await live(shop, clock, stranger)
        at_work = await keys_of(server)
    found = await keys_of(server)

    assert sorted(type(over.outcome).__name__ for over in shop.heard) == ENDINGS
    assert "late" not in shop.page
    assert caplog.text.count(DEAF) == (way is by_resp2)
    assert list(at_work) == list(found) == [settings.database]
    assert strange(at_work) == strange(found) == []
    which = "Valkey" if "valkey" in server.said().casefold() else "Redis"
    how = way.__name__.replace("_", " ")
    case.says(
        f"a small life on {which} {how}: run, retry, die, cancel, tick",
        steward=f"{len(ENDINGS)} attempts as they should; {len(found[settings.database])} keys, "
        "all of them arq:* or steward:*",
    )


@pytest.mark.case(26)
async def test_two_apps_on_one_server_hear_nothing_of_each_other(
    server: Server, codec: Codec, tier: Tier, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    count = tier.of(20, 1_000)
    async with AsyncExitStack() as stack:
        shops = [
            await stack.enter_async_context(
                workshop_at(replace(server.by_tcp, database=number), codec, *JOBS)
            )
            for number in (0, 1)
        ]
        strangers = [
            await stack.enter_async_context(Client.open(shop.redis, codec, jobs=shop.jobs))
            for shop in shops
        ]
        for shop in shops:
            await stack.enter_async_context(shop.working(poll=RARELY))
        for n in range(count):  # one at a time: the workers are idle, and runs are handed over
            for app, stranger in enumerate(strangers):
                same = write.with_options(id=f"run-{n}")
                handle = await stranger.enqueue(same, f"{app}: {n}")
                await handle.result(within=SOON)

        assert [len(await stranger.workers()) for stranger in strangers] == [1, 1]

    for app, shop in enumerate(shops):
        assert shop.page == [f"{app}: {n}" for n in range(count)]
        assert len(shop.heard) == count
    assert strange(await keys_of(server)) == []
    assert caplog.messages == []
    case.says(
        f"two apps in two databases of one server, {count} runs each, of the same ids",
        steward="each app has its own, and one worker",
    )
