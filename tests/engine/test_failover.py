"""Sentinels make a replica the master: workers and clients go on there."""

import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from signal import SIGKILL
from time import monotonic
from typing import Any

import pytest
from arq.connections import RedisSettings

from app.connection import redis_at
from app.engine import Client, Codec, seconds
from app.engine.redis import keys
from tests import servers
from tests.engine.conftest import workshop_at
from tests.engine.jobs import pass_gate, write
from tests.eventually import eventually
from tests.rights import asked
from tests.scratch_home import Given
from tests.servers import Server
from tests.services.mail.capture import CERTIFICATE

RARELY, SOON, LEASE = seconds(30), seconds(20), seconds(8)
MASTER = "steward-master"
PASSWORD, SENTINELS_PASSWORD = "p@ssword", "an0ther"
GUARDED: dict[str, Any] = {
    "requirepass": PASSWORD,
    "masterauth": PASSWORD,
    "repl_diskless_sync_delay": 0,
}


@dataclass(frozen=True)
class Cluster:
    """A master, a replica, and a Sentinel that watches them."""

    first: Server
    sentinel: Server
    is_tls: bool

    @property
    def settings(self) -> RedisSettings:
        """The way to the master, from the address a person would write."""
        scheme = "rediss+sentinel" if self.is_tls else "redis+sentinel"
        sentinels = f"127.0.0.1:1,127.0.0.1:{self.sentinel.port}"  # the first is down
        trust = f"&ssl_ca_certs={CERTIFICATE}" if self.is_tls else ""
        url = (
            f"{scheme}://:{PASSWORD.replace('@', '%40')}@{sentinels}/{MASTER}/1"
            f"?sentinel_password={SENTINELS_PASSWORD}{trust}"
        )
        return redis_at(Given.model_validate({"redis": {"url": url}}))

    async def ask(self, *command: Any) -> Any:
        """What the Sentinel says."""
        way = replace(self.sentinel.nearby, password=SENTINELS_PASSWORD)
        return await asked(way, "SENTINEL", *command)

    async def fail_over(self, *, by_killing: bool) -> None:
        """Make the other one the master, because somebody asked for it or because it has to be."""
        await eventually(self._has_a_replica)
        await eventually(self._is_in_step)  # what a replica has not got yet is lost with its master
        if by_killing:
            await self.first.stop(SIGKILL)
        else:
            await self.ask("FAILOVER", MASTER)
        await eventually(self._has_another_master)

    async def _is_in_step(self) -> bool:
        way = replace(self.first.nearby, password=PASSWORD)
        said: dict[str, Any] = await asked(way, "INFO", "replication")
        replica: dict[str, Any] = said.get("slave0", {})
        return bool(replica.get("offset") == said["master_repl_offset"])

    async def _has_another_master(self) -> bool:
        _, port = await self.ask("GET-MASTER-ADDR-BY-NAME", MASTER)
        return int(port) != self.first.port

    async def _has_a_replica(self) -> bool:
        replicas: list[list[bytes]] = await self.ask("REPLICAS", MASTER)
        return any(b"ok" in said for said in replicas)  # its link to the master is


@pytest.fixture
async def cluster(request: pytest.FixtureRequest) -> AsyncGenerator[Cluster]:
    program, is_tls = request.param
    path = servers.program(program)
    if is_tls and not servers.can_tls(path):
        pytest.skip("this server was built without TLS")
    with servers.folder() as place:
        async with AsyncExitStack() as stack:

            async def start(**options: Any) -> Server:
                server = servers.running(path, place, is_tls=is_tls, **options)
                return await stack.enter_async_context(server)

            master = await start(**GUARDED)
            await start(**GUARDED, replicaof=f"127.0.0.1 {master.port}")
            watching = {name: f"{MASTER} {each}" for name, each in _watching(master).items()}
            sentinel = await start(is_sentinel=True, requirepass=SENTINELS_PASSWORD, **watching)
            yield Cluster(master, sentinel, is_tls)


def _watching(master: Server) -> dict[str, Any]:
    return {
        "sentinel monitor": f"127.0.0.1 {master.port} 1",
        "sentinel auth-pass": PASSWORD,
        "sentinel down-after-milliseconds": 500,
        "sentinel failover-timeout": 3000,
    }


@pytest.mark.parametrize(
    ("cluster", "by_killing"),
    [(("valkey", False), False), (("valkey", False), True), (("redis", True), True)],
    ids=["asked for", "needed", "needed with TLS"],
    indirect=["cluster"],
)
async def test_a_worker_goes_on_at_the_new_master(
    cluster: Cluster, codec: Codec, by_killing: bool
) -> None:
    settings = cluster.settings

    async with (
        workshop_at(settings, codec, write, pass_gate) as shop,
        Client.open(settings, codec, jobs=shop.jobs) as stranger,
        shop.working(poll=RARELY, lease=LEASE) as worker,
    ):
        await (await stranger.enqueue(write, "before")).result(within=SOON)
        held = await stranger.enqueue(pass_gate, "held")
        await eventually(lambda: len(shop.page) == 2)

        start = monotonic()
        await cluster.fail_over(by_killing=by_killing)
        told = monotonic() - start
        shop.gate.set()
        result = await held.result(within=SOON)
        for n in range(3):
            await (await stranger.enqueue(write, str(n))).result(within=SOON)
        after = monotonic() - start - told
        lasts = await stranger.store.redis.pttl(keys.worker(worker.id))

    gc.collect()  # what was left open is warned of, and a warning is an error
    print(f"after a fail-over of {told:.1f} s a run begun before it and 3 new took {after:.2f} s")
    assert result == "held, attempt 1"
    assert shop.page == ["before", "held waits", "held passes", "0", "1", "2"]
    assert lasts > 0
