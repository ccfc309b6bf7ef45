"""A user of Redis who may do no more than the README says: all of Steward works for them."""

from collections.abc import AsyncGenerator

import pytest

from app.context import Services
from app.engine import DeadLetters, RunFailed, RunStatus, days, seconds
from app.jobs import maintenance
from tests import servers
from tests.life import jobs
from tests.life.home import Home, history, worked_until
from tests.plugins.cases import Case
from tests.rights import asked, rights
from tests.servers import Server

SOON = seconds(20)


@pytest.fixture
async def server(home: Home) -> AsyncGenerator[Server]:
    """Where Steward may do what it must, and another user the rest."""
    path = servers.program("valkey")
    with servers.folder() as place:
        async with servers.running(path, place) as running:
            rule = ("ACL", "SETUSER", "steward", "on", ">password", *rights())
            await asked(running.nearby, *rule)
            home.redis_url = f"redis://steward:password@127.0.0.1:{running.port}/1"
            yield running


@pytest.mark.case(25)
async def test_the_rights_in_the_readme_are_enough(home: Home, server: Server, case: Case) -> None:
    async with home.open() as steward:
        await worked_until(steward, jobs.YEARLY, ago=days(400))
        worker = await home.worker().ready(steward.client)
        await home.ledger.until("noted", len(jobs.YEARLY))
        await _do_everything(home, steward)
        assert worker.is_alive

    refused: list[object] = await asked(server.nearby, "ACL", "LOG")
    case.says(
        "a worker, schedules and every door, as a user with the rights of README",
        steward=f"all of it works, {len(refused)} commands refused",
    )
    assert refused == []


async def _do_everything(home: Home, steward: Services) -> None:
    client, dead = steward.client, DeadLetters(steward.client)
    tried = await client.enqueue(jobs.stumble.with_options(key="one"), times=1)
    assert await tried.result(within=SOON) == 2
    later = await client.enqueue(jobs.note.with_options(delay=days(1)))
    assert await later.cancel()
    held = await client.enqueue(jobs.hold)
    await home.ledger.until("begun", 1)
    assert await held.cancel()
    died = await client.enqueue(jobs.misbehave, "exit")
    with pytest.raises(RunFailed):
        await died.result(within=SOON)
    assert [letter.id for letter in await dead.list()] == [died.id]
    again = await dead.retry(died.id)
    with pytest.raises(RunFailed):
        await again.result(within=SOON)
    assert await dead.drop(again.id)
    assert (await history(steward, tried.id)).attempts == 2
    assert await client.queues()
    assert await client.find(status=RunStatus.DEFERRED) == []
    report = await client.enqueue(maintenance.system_health_check)
    assert (await report.result(within=SOON)).took
