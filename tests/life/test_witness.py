"""The witness sees what is there, and the journal what was."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from app.engine import Client, Codec, Ending, seconds
from app.engine.redis import keys
from tests import servers
from tests.engine.jobs import write
from tests.engine.steps import QUEUES, buried, claim, completed, dies, put
from tests.eventually import eventually
from tests.life.evidence import Takeover, Trace
from tests.life.journal import WHOLE, keep, read
from tests.life.ledger import Ledger
from tests.life.witness import Witness
from tests.rights import asked
from tests.servers import Server

ONE, OTHER = "host-101-aa", "host-102-bb"


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    """A Redis with a journal."""
    with servers.folder() as place:
        async with servers.running(servers.program("valkey"), place, **WHOLE) as running:
            yield running


@pytest.fixture
async def witness(server: Server, codec: Codec, tmp_path: Path) -> AsyncGenerator[Witness]:
    """Somebody who looks at it."""
    async with Client.open(server.settings, codec) as client:
        yield Witness(
            client=client,
            ledger=Ledger(tmp_path / "ledger"),
            queues=QUEUES,
            lease=2,
            data=server.data,
        )


async def test_it_sees_where_runs_stand_and_how_they_ended(witness: Witness) -> None:
    store = witness.client.store
    for id in ("a", "b", "c"):
        await put(witness.client, write.with_options(id=id), "")
    first, second, _ = (await claim(store)).runs
    await store.commit([completed(first), buried(second)])

    traces = await witness.traces(["a", "b", "c", "d"])
    await witness.follow()
    await witness.follow()

    assert traces["a"] == Trace.RESULT
    assert traces["b"] == Trace.RESULT | Trace.LETTER | Trace.LISTED | Trace.KEPT
    assert traces["c"] == Trace.PAYLOAD | Trace.QUEUED | Trace.LEASED
    assert traces["d"] == Trace(0)
    assert witness.endings["a"] == [Ending.SUCCEEDED]


async def test_a_sample_finds_what_is_nowhere_or_half_there(witness: Witness) -> None:
    for id in ("whole", "half"):
        await put(witness.client, write.with_options(id=id), "")
    await witness.client.store.redis.zrem(keys.queue(write.queue), "half")

    await witness.sample(["whole", "half", "gone"])

    assert witness.samples == 3
    assert witness.torn == [
        "run half, during the case: payload",
        "run gone, during the case: nothing is left",
    ]


async def test_the_journal_tells_whether_a_loser_was_alive(server: Server, codec: Codec) -> None:
    async with Client.open(server.settings, codec) as client:
        redis = client.store.redis
        for run in ("given back", "lapsed", "stolen", "never shown", "shown late"):
            lease = keys.lease(run)
            if run not in {"never shown", "shown late"}:
                await redis.set(keys.worker(ONE), "", px=60_000)
            await redis.set(lease, f"{ONE}:1", px=60_000)
            if run == "given back":
                await redis.delete(lease)
            if run == "shown late":
                await redis.set(keys.worker(ONE), "", px=60_000)
            if run != "stolen":
                await redis.delete(keys.worker(ONE))
            await redis.set(lease, f"{OTHER}:2", px=60_000)
            await redis.delete(keys.worker(ONE))
        await server.stop()

    assert read(server.data).takeovers == [
        Takeover(run="lapsed", loser=101, has_lapsed=True),
        Takeover(run="stolen", loser=101, has_lapsed=False),
        Takeover(run="never shown", loser=101, has_lapsed=False),
        Takeover(run="shown late", loser=101, has_lapsed=True),
    ]


async def test_the_journal_shows_that_a_lease_has_expired(server: Server, codec: Codec) -> None:
    async with Client.open(server.settings, codec) as client:
        store = client.store
        await store.greet(ONE, b"", seconds(60))
        await put(client, write.with_options(id="a"), "")
        await claim(store, ONE)
        await store.greet(ONE, b"", seconds(0.001))
        await dies(store, OTHER)  # nobody: the next claim looks at the head

        while not (await claim(store, OTHER)).runs:
            await store.redis.delete(*map(keys.claimed, QUEUES))
        await server.stop()

    assert read(server.data).takeovers == [Takeover(run="a", loser=101, has_lapsed=True)]


async def test_a_journal_that_is_kept_survives_a_file_written_anew(
    server: Server, codec: Codec, tmp_path: Path
) -> None:
    async with Client.open(server.settings, codec) as client:
        redis: Any = client.store.redis
        await redis.set(keys.worker(ONE), "", px=60_000)
        await redis.set(keys.lease("a"), f"{ONE}:1", px=60_000)
        keep(server.data, tmp_path / "journal")
        for _ in range(2):
            await asked(redis, "BGREWRITEAOF")
            await eventually(lambda: _is_rewritten(client))
            keep(server.data, tmp_path / "journal")
        await redis.delete(keys.worker(ONE))
        await redis.set(keys.lease("a"), f"{OTHER}:2", px=60_000)
        await server.stop()

    assert read(server.data).takeovers == []
    assert read(tmp_path / "journal").takeovers == [Takeover(run="a", loser=101, has_lapsed=True)]


async def _is_rewritten(client: Client) -> bool:
    about = await client.store.redis.info("persistence")
    return not about["aof_rewrite_in_progress"] and not about["aof_rewrite_scheduled"]


async def test_the_journal_knows_who_waits_for_a_trial(server: Server, codec: Codec) -> None:
    async with Client.open(server.settings, codec) as client:
        redis = client.store.redis
        for run in ("died with it", "given back"):
            await redis.set(keys.worker(ONE), "", px=60_000)
            await redis.set(keys.lease(run), f"{ONE}:1", px=60_000)
            if run == "died with it":
                await redis.delete(keys.worker(ONE))
            await redis.set(keys.lease(run), "suspect:1")
            await redis.set(keys.lease(run), f"{OTHER}:2", px=60_000)
        await server.stop()

    lapsed = Takeover(run="died with it", loser=101, has_lapsed=True, is_suspect=True)
    assert read(server.data).takeovers == [lapsed]
