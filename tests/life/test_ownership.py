"""Two users on one Steward: each has their own tasks, is told of them, and can touch no other's."""

import json
from subprocess import CalledProcessError

import pytest

from app.context import Services
from app.engine import seconds
from app.jobs import ai
from app.services.notifications import Channel
from app.storage.notifications import Notices
from app.storage.task import TaskStatus
from app.storage.users import User
from tests.eventually import eventually
from tests.life.home import STEWARD, Home

LONG = seconds(60)


@pytest.mark.tier("T2")
@pytest.mark.timeout(240)
async def test_each_user_is_told_of_their_own_tasks_and_can_touch_no_others(
    home: Home, steward: Services
) -> None:
    ann = await steward.users.owner()
    bob = await steward.users.add(name="Bob", address="bob@example.org", timezone="Asia/Tokyo")
    await home.worker(STEWARD).ready(steward.client)
    soon = steward.client.store.clock.now() + seconds(3)
    for user in (ann, bob):
        await steward.client.enqueue(
            ai.create_reminder,
            user.id,
            f"for {user.name}",
            soon,
            channels=(Channel.IN_APP, Channel.EMAIL),
        )
    paused = await steward.tasks.create_periodic_task(bob, "Bob's", "daily", {"hour": 9})

    for words in (["run-now"], ["delete", "--yes"]):
        with pytest.raises(CalledProcessError) as refused:
            await home.command("tasks", *words, str(paused.task.id), "--user", str(ann.id))
        assert f"there is no task {paused.task.id}" in refused.value.stderr.decode()
    await eventually(lambda: told(steward, ann, bob), within=LONG)
    await eventually(lambda: mailed(home, 2), within=LONG)

    listed = json.loads(await home.command("tasks", "--user", str(bob.id), "--json"))
    assert {each["title"] for each in listed} == {f"for {bob.name}", "Bob's"}
    assert (await steward.tasks.get(bob.id, paused.task.id)).status is TaskStatus.ACTIVE
    for user in (ann, bob):
        (notice,) = await Notices(steward.database).of(user.id)
        assert notice.title == f"for {user.name}"
        (mail,) = [each for each in outbox(home) if f"Subject: for {user.name}" in each]
        assert f"To: {user.address}" in mail


async def told(steward: Services, *users: User) -> bool:
    found = [await Notices(steward.database).of(each.id) for each in users]
    return all(found)


def outbox(home: Home) -> list[str]:
    return [each.read_text() for each in (home.path / "mail" / "outbox" / "cur").glob("*")]


def mailed(home: Home, count: int) -> bool:
    return len(outbox(home)) == count
