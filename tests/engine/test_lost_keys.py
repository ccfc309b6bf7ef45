"""Keys that somebody deletes by hand, or a cache evicts: never done, never silently gone."""

import pytest

from app.engine import DeadLetters, RunFailed, RunStatus, seconds
from app.engine.redis import keys
from tests.engine.conftest import Open
from tests.engine.jobs import pass_gate, write
from tests.eventually import eventually
from tests.plugins.cases import Case
from tests.rights import asked

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
    workshop: Open, caplog: pytest.LogCaptureFixture
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
