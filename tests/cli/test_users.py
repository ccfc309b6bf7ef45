"""`users`: people are added, changed, rested and deleted, and a mistake is named in one line."""

from collections.abc import Generator

import pytest
from arq.connections import RedisSettings

from app.cli.failures import Misused, NotDone
from app.cli.remind import remind_user
from app.cli.tasks import list_tasks
from app.cli.users import (
    activate_user,
    add_user,
    change_user,
    deactivate_user,
    delete_user,
    list_users,
)
from tests.cli.command import Command
from tests.cli.inside import Inside, inside


@pytest.fixture
def steward(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clean_redis: RedisSettings
) -> Generator[Inside]:
    with inside(monkeypatch, capsys, clean_redis) as steward:
        yield steward


async def test_a_user_is_added_changed_rested_and_deleted(steward: Inside) -> None:
    (bob,) = await steward.json(
        add_user,
        "bob@example.org",
        name="Bob",
        timezone="Europe/Vilnius",
        quiet_hours="22:00-07:00",
    )
    (changed,) = await steward.json(change_user, bob["id"], address="rob@example.org", mail=False)
    (rested,) = await steward.json(deactivate_user, bob["id"])
    (back,) = await steward.json(activate_user, bob["id"])
    listed = await steward.json(list_users)
    made = await steward.json(remind_user, "in 1 hour to call Ann", user=bob["id"])
    with pytest.raises(Misused, match=r"rob@example\.org, with all that is theirs"):
        await delete_user(bob["id"])
    (deleted,) = await steward.json(delete_user, bob["id"], yes=True)

    assert (bob["timezone"], bob["mail"], bob["quiet_hours"]) == (
        "Europe/Vilnius",
        True,
        "22:00-07:00",
    )
    assert (changed["address"], changed["name"], changed["mail"]) == (
        "rob@example.org",
        "Bob",
        False,
    )
    assert (rested["active"], back["active"]) == (False, True)
    assert [(each["id"], each["owner"]) for each in listed] == [(1, True), (bob["id"], False)]
    assert made["task_id"]
    assert deleted["status"] == "deleted"
    assert len(await steward.json(list_users)) == 1
    assert await steward.json(list_tasks) == []


async def test_what_is_left_out_is_the_owners_or_usual(steward: Inside) -> None:
    (bob,) = await steward.json(add_user, "bob@example.org")
    (owner, _) = await steward.json(list_users)

    assert (bob["name"], bob["timezone"], bob["mail"]) == ("bob", owner["timezone"], True)
    assert "bob@example.org" in await steward.text(list_users)


async def test_a_mistake_is_named_and_nothing_is_changed(steward: Inside) -> None:
    (bob,) = await steward.json(add_user, "bob@example.org")

    for said, wrong in (
        ("'bob' is not a mail address", add_user("bob")),
        ("address is that of user 2 already", add_user("bob@example.org")),
        ("address is that of user 2 already", add_user("Bob@Example.org")),
        ("say what to change: --address", change_user(2)),
        ("can be changed, not taken away", change_user(2, name="")),
        ("can be changed, not taken away", change_user(2, address="")),
        ("timezone must be a name such as", add_user("cy@example.org", timezone="Mars")),
        ("quiet hours must be two times", change_user(2, quiet_hours="late")),
    ):
        with pytest.raises(Misused, match=said):
            await wrong
    for said, wrong in (
        ("there is no user 9", change_user(9, name="Cy")),
        ("there is no user 9", delete_user(9, yes=True)),
        ("the owner's name, address and zone are settings", change_user(1, name="Cy")),
        ("user 1 is the owner", deactivate_user(1)),
        ("user 1 is the owner", delete_user(1, yes=True)),
    ):
        with pytest.raises(NotDone, match=said):
            await wrong

    assert (await steward.json(list_users))[1:] == [bob]


async def test_where_the_owner_is_told_notices_is_a_setting_where_that_says_so(
    steward: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEWARD_NOTIFY__NOTICES", '["slack"]')

    with pytest.raises(NotDone, match="is a setting: STEWARD_NOTIFY__NOTICES"):
        await change_user(1, notices="sms")

    (owner,) = await steward.json(list_users)
    assert owner["notices"] == ["slack"]


async def test_where_somebody_is_told_notices_is_said_shown_and_kept(steward: Inside) -> None:
    (bob,) = await steward.json(add_user, "bob@example.org", notices="sms, email")
    (less,) = await steward.json(change_user, 2, mail_notices="slack,email")
    (usual,) = await steward.json(change_user, 2, mail_notices="as-notices")
    (none,) = await steward.json(change_user, 2, notices="")
    (owner,) = await steward.json(change_user, 1, notices="slack")
    listed = await steward.json(list_users)

    assert (bob["notices"], bob["mail_notices"]) == (["email", "sms"], ["sms"])
    assert (less["notices"], less["mail_notices"]) == (["email", "sms"], ["email", "slack"])
    assert (usual["notices"], usual["mail_notices"]) == (["email", "sms"], ["sms"])
    assert (none["notices"], none["mail_notices"]) == ([], [])
    assert owner["notices"] == ["slack"]
    assert [each["notices"] for each in listed] == [["slack"], []]
    with pytest.raises(Misused, match="--notices: 'fax' is none of in_app, email"):
        await change_user(2, notices="fax")


def test_it_is_a_command(idle_steward: Command) -> None:
    added = idle_steward("users", "add", "bob@example.org", "--no-mail", "--json")
    again = idle_steward("users", "add", "bob@example.org")

    assert added.json()[0]["mail"] is False
    assert (again.code, again.line) == (2, "steward: address is that of user 2 already")
