"""Every way to reach a server: a worker is told of work at once, commits it, and closes clean."""

import gc
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, seconds
from app.engine.redis import keys
from app.engine.redis.connection import make_blocking_redis
from tests import servers, ways
from tests.engine.conftest import workshop_at
from tests.engine.jobs import pass_gate, write
from tests.engine.leaks import leaks
from tests.eventually import eventually
from tests.rights import asked, rights
from tests.servers import PROGRAMS, Server

PASSWORD = "p@ss/w:rd %41"
RARELY = seconds(30)
SOON = seconds(2)


@dataclass(frozen=True)
class Reached:
    """A server, and the ports it is reached by."""

    server: Server
    tls_port: int

    @property
    def owner(self) -> RedisSettings:
        """The way of one who may do everything."""
        return replace(self.server.by_tcp, password=PASSWORD)


Way = Callable[[Reached], RedisSettings]


def by_password(reached: Reached) -> RedisSettings:
    """The default user's password, by TCP."""
    return reached.owner


def by_user(reached: Reached) -> RedisSettings:
    """A user who may do no more than Steward needs."""
    return replace(reached.owner, username="steward")


def by_socket(reached: Reached) -> RedisSettings:
    """A unix socket and another database."""
    path = str(reached.server.socket)
    return RedisSettings(unix_socket_path=path, password=PASSWORD, database=2)


def by_database(reached: Reached) -> RedisSettings:
    """Another database, by TCP."""
    return replace(by_user(reached), database=3)


def by_tls(reached: Reached) -> RedisSettings:
    """TLS, the server's certificate and name checked."""
    return replace(ways.by_tls(reached.server), username="steward", password=PASSWORD)


EVERYWHERE = (by_password, by_user, by_socket, by_database)
CASES = [
    *((program, way) for program in PROGRAMS for way in EVERYWHERE),
    ("redis", by_tls),  # the Valkey we bring knows no TLS
]


@pytest.fixture(scope="module")
async def reached(request: pytest.FixtureRequest) -> AsyncGenerator[Reached]:
    """A server that listens everywhere it can."""
    path = servers.program(request.param)
    tls_port = servers.free_port() if servers.can_tls(path) else 0
    tls = servers.tls_options(tls_port) if tls_port else {}
    with servers.folder() as place:
        guarded: dict[str, Any] = {"requirepass": f'"{PASSWORD}"'}
        async with servers.running(path, place, **guarded, **tls) as server:
            found = Reached(server, tls_port)
            await asked(found.owner, "ACL", "SETUSER", "steward", "on", f">{PASSWORD}", *rights())
            yield found


@pytest.mark.case(25)
@pytest.mark.parametrize(("reached", "way"), CASES, indirect=["reached"])
async def test_a_worker_hears_at_once_commits_and_keeps_its_lease(
    way: Way, reached: Reached, codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    if way is by_tls and not reached.tls_port:
        pytest.skip("this server was built without TLS")
    caplog.set_level(logging.WARNING)
    settings = way(reached)

    async with (
        workshop_at(settings, codec, write, pass_gate) as shop,
        Client.open(settings, codec, jobs=shop.jobs) as stranger,
        shop.working(poll=RARELY, lease=seconds(0.8)) as worker,
    ):
        held = await stranger.enqueue(pass_gate, "one")
        await eventually(lambda: shop.page, within=SOON)
        await _renewed(stranger, worker.id)
        for n in range(3):
            start = monotonic()
            handle = await stranger.enqueue(write, str(n))
            assert await handle.result(within=SOON) == 1
            print(f"{way.__name__}: done {1000 * (monotonic() - start):.1f} ms after the enqueue")
        shop.gate.set()
        assert await held.result(within=SOON) == "one, attempt 1"

    gc.collect()  # what was left open is warned of, and a warning is an error
    assert [each.getMessage() for each in caplog.records] == []
    await eventually(lambda: _is_alone(reached))
    assert await asked(reached.owner, "ACL", "LOG") == []
    assert _left(replace(settings, username=None)) == []


async def _renewed(client: Client, worker: str) -> None:
    """The worker's sign of life lasts longer than a moment ago."""
    lasts: list[int] = [10_000]

    async def look() -> bool:
        lasts.append(await client.store.redis.pttl(keys.worker(worker)))
        return lasts[-1] > lasts[-2]

    await eventually(look)


async def _is_alone(reached: Reached) -> bool:
    clients: bytes = await asked(reached.owner, "CLIENT", "LIST")
    return len(clients.splitlines()) == 1


def _left(settings: RedisSettings) -> list[str]:
    redis = make_blocking_redis(settings)
    try:
        return leaks(redis)
    finally:
        redis.close()
