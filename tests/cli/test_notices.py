"""`notices`: what was told in the application can be read, each user's by themselves."""

from collections.abc import Generator

import pytest
from arq.connections import RedisSettings

from app.cli.failures import NotDone
from app.cli.notices import list_notices, show_notice
from app.cli.past import looking_back
from app.cli.users import add_user, list_users
from app.storage.notifications import Notices
from tests.cli.inside import Inside, inside


@pytest.fixture
def steward(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clean_redis: RedisSettings
) -> Generator[Inside]:
    with inside(monkeypatch, capsys, clean_redis) as steward:
        yield steward


async def test_what_was_told_in_the_application_is_listed_and_shown(steward: Inside) -> None:
    (bob,) = await steward.json(add_user, "bob@example.org", name="Bob")
    (owner,) = [each for each in await steward.json(list_users) if each["owner"]]
    async with looking_back() as database:
        notices = Notices(database)
        for user, title in ((owner, "call Ann"), (bob, "water the roses")):
            body = f"Reminder: {title}\nnow"
            await notices.add(user["id"], title=title, body=body, dedupe_key=title)

    listed = await steward.json(list_notices)
    of_bob = await steward.text(list_notices, user=bob["id"])
    shown = await steward.json(show_notice, listed[1]["id"])
    with pytest.raises(NotDone, match="no notice has the number 77"):
        await show_notice(77)

    assert [(each["user"], each["title"]) for each in listed] == [
        (bob["id"], "water the roses"),
        (owner["id"], "call Ann"),
    ]
    assert "Reminder: water the roses ..." in of_bob
    assert "call Ann" not in of_bob
    assert shown["body"] == "Reminder: call Ann\nnow"
    assert shown["told_at"]


async def test_where_nobody_was_told_anything_that_is_said(steward: Inside) -> None:
    await steward.json(list_users)

    assert "Nobody was told anything" in await steward.text(list_notices)
