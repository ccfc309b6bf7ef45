"""Keys that somebody deletes by hand, or a cache evicts: never done, never silently gone."""

from random import Random

import anyio
import pytest

from app.engine import (
    Client,
    Codec,
    DeadLetters,
    Doctor,
    RunFailed,
    RunStatus,
    Strays,
    Trouble,
    seconds,
)
from app.engine.redis import keys
from tests import servers
from tests.engine.conftest import Open, Workshop, workshop_at
from tests.engine.jobs import pass_gate, write
from tests.engine.test_abort import terminal_events
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.rights import as_admin, asked

SOON = seconds(20)


@pytest.mark.case(24)
async def test_runs_whose_payload_is_deleted_become_dead_letters(
    workshop: Open, case: Case
) -> None:
    async with workshop(write) as shop:
        lost = await shop.client.enqueue_many(write.call("lost") for _ in range(50))
        kept = await shop.client.enqueue_many(write.call("kept") for _ in range(50))
        await shop.client.store.redis.delete(*(keys.payload(each.id) for each in lost))

        await shop.drain()

        letters = DeadLetters(shop.client)
        dead = {each.id: each for each in await letters.list(limit=200)}
        case.says(
            "50 of 100 payloads deleted by hand",
            arq="4,428 of them are silently gone in a cache",
            steward=f"{len(dead)} dead letters that say so, {shop.page.count('kept')} done",
        )
        assert dead.keys() == {each.id for each in lost}
        assert {each.last.message for each in dead.values()} == {"the payload is gone"}
        assert [await each.status() for each in lost] == [RunStatus.DEAD] * 50
        assert [await each.status() for each in kept] == [RunStatus.SUCCEEDED] * 50
        with pytest.raises(RunFailed, match="the payload is gone"):
            await lost[0].result(within=SOON)
        for id in dead:
            await letters.drop(id)


@pytest.mark.case(24)
async def test_a_server_that_is_emptied_under_a_worker_is_an_alarm_and_work_goes_on(
    workshop: Open, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    async with workshop(write, pass_gate) as shop, shop.working() as worker:
        held = await shop.client.enqueue(pass_gate, "it")
        await eventually(lambda: shop.page)

        await asked(shop.client.store.redis, "FLUSHALL")
        shop.gate.set()
        await eventually(lambda: "its outcome here is dropped" in caplog.text)
        after = await shop.client.enqueue(write, "after")

        assert await after.result(within=SOON)
        assert await held.status() is RunStatus.UNKNOWN
        assert [each.id for each in await eventually(shop.client.workers)] == [worker.id]
    case.says(
        "FLUSHALL under a worker that runs one",
        steward="its outcome is dropped with a warning, nothing claims to be done; work goes on",
    )


@pytest.mark.case(24)
async def test_runs_whose_queue_is_deleted_are_missed_and_run_once_they_are_put_back(
    workshop: Open, case: Case
) -> None:
    async with workshop(write) as shop:
        handles = await shop.client.enqueue_many(write.call(str(n)) for n in range(20))
        strays = Strays(shop.client)
        assert await strays.look() == []

        await shop.client.store.redis.delete(keys.queue("default"))
        await shop.drain()
        nobody = list(shop.page)
        missed = await strays.look()
        found = await _mended(shop)
        await shop.drain()

        assert await strays.look() == []
    case.says(
        "the queue of 20 runs deleted by hand",
        steward=f"health alarms of {len(missed)} without being asked, a doctor puts back {found},"
        f" {len(shop.page)} done",
    )
    assert nobody == []
    assert sorted(missed) == sorted(each.id for each in handles)
    assert found == 20
    assert sorted(shop.page) == sorted(map(str, range(20)))


@pytest.mark.case(24)
async def test_runs_off_their_queue_are_missed_among_many_until_they_are_back(
    workshop: Open,
) -> None:
    async with workshop(write) as shop:
        handles = await shop.client.enqueue_many(write.call("it") for _ in range(1_000))
        missed, ids = list[str](), sorted(each.id for each in handles[::100])
        await shop.client.store.redis.zrem(keys.queue("default"), *ids)
        strays = Strays(shop.client, pause=seconds(0))

        for _ in range(20):  # a busy server needs more than a look for so many
            if sorted(missed) != ids:
                missed = [*await strays.look()]
        again = [sorted(await strays.look()) for _ in range(3)]
        await _mended(shop)

        assert await strays.look() == []
    assert sorted(missed) == ids
    assert again == [ids, ids, ids]


async def _mended(shop: Workshop) -> int:
    """How many runs a doctor has put back on their queue."""
    doctor = Doctor(shop.client, jobs=shop.jobs, pause=seconds(0.05))
    findings = await doctor.examine(mend=True)
    return [each.trouble for each in findings].count(Trouble.UNQUEUED)


@pytest.mark.case(24)
async def test_a_run_whose_lease_is_deleted_ends_once_whoever_has_it_now(
    workshop: Open, case: Case
) -> None:
    async with workshop(pass_gate) as shop, shop.working(), shop.working():
        held = await shop.client.enqueue(pass_gate, "it")
        await eventually(lambda: shop.page)
        await shop.client.store.redis.delete(keys.lease(held.id))

        shop.gate.set()
        result = await held.result(within=SOON)
        await eventually(lambda: len(shop.page) in {2, 4})  # whoever had it, or both, to the end

        assert await held.status() is RunStatus.SUCCEEDED
    case.says(
        "the lease of a run deleted by hand while it runs",
        steward=f"{result}, committed once; whatever else came of it is dropped",
    )
    assert result.startswith("it, attempt")
    assert len(shop.heard) == 1


@pytest.mark.case(24)
async def test_a_worker_whose_own_run_has_lost_its_lease_does_not_begin_it_beside_itself(
    workshop: Open, case: Case
) -> None:
    async with workshop(pass_gate) as shop, shop.working():
        held = await shop.client.enqueue(pass_gate, "it")
        await eventually(lambda: shop.page)

        await shop.client.store.redis.delete(keys.lease(held.id))
        await eventually(lambda: shop.client.store.redis.exists(keys.lease(held.id)))
        shop.gate.set()
        result = await held.result(within=SOON)

        assert await terminal_events(shop.client) == {held.id: 1}
    case.says(
        "the lease of a run deleted by hand while its worker is the only one",
        steward=f"{result}; its lease is taken again, it is not begun again",
    )
    assert shop.page == ["it waits", "it passes"]


@pytest.mark.case(24)
async def test_a_cache_that_evicts_while_work_goes_on_lets_nothing_pass_for_done(
    codec: Codec, case: Case
) -> None:
    with servers.folder() as place:
        options = {"maxmemory": "12mb", "maxmemory_policy": "allkeys-lru"}
        async with (
            servers.running(servers.program("valkey"), place, **options) as server,
            workshop_at(server.settings, codec, write) as shop,
        ):
            chance = Random(7)
            handles = await shop.client.enqueue_many(
                write.call(f"{n} {chance.randbytes(5_000).hex()}") for n in range(400)
            )
            await _fill(shop.client, 200)
            async with shop.working(concurrency=5):
                await _fill(shop.client, 200)
                await eventually(lambda: _is_still(shop), within=SOON)
            await _mended(shop)
            await shop.drain()

            done = {text.split()[0] for text in shop.page}
            statuses = [await each.status() for each in handles]
    by_status = {each: statuses.count(each) for each in RunStatus if each in statuses}
    succeeded = {str(n) for n, each in enumerate(statuses) if each is RunStatus.SUCCEEDED}
    case.says(
        "a cache of 12 MB filled while 400 runs of 10 KB wait; such a server is refused at start",
        arq="4,428 silently gone",
        steward=f"{len(done)} done, {len(shop.page) - len(done)} of them twice; they are "
        + ", ".join(f"{count} {status}" for status, count in by_status.items()),
    )
    assert len(done) < 400
    assert succeeded <= done
    assert by_status.get(RunStatus.QUEUED, 0) == 0


async def _fill(client: Client, count: int) -> None:
    async with as_admin(client.store.redis) as redis:
        for number in range(count):
            await redis.set(f"filler:{number}", bytes(50_000))


async def _is_still(shop: Workshop) -> bool:
    """Whether nothing more is done, for a moment."""
    before = len(shop.heard)
    await anyio.sleep(0.3)
    return len(shop.heard) == before
