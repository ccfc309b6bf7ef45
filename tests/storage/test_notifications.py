import anyio
import pytest

from app.storage.database import Database
from app.storage.notifications import Notices
from app.storage.users import User, Users


@pytest.fixture
async def ann(database: Database) -> User:
    return await Users(database).add(name="Ann", address="ann@example.org")


@pytest.fixture
async def bob(database: Database) -> User:
    return await Users(database).add(name="Bob", address="bob@example.org")


async def test_a_notice_is_told_once_for_its_key(database: Database, ann: User) -> None:
    notices = Notices(database)

    first = await notices.add(ann.id, title="Hi", body="…", dedupe_key="k")
    second = await notices.add(ann.id, title="Hi again", body="…", dedupe_key="k")

    assert (first, second) == (True, False)
    assert [notice.title for notice in await notices.of(ann.id)] == ["Hi"]


async def test_two_who_tell_at_once_tell_once(database: Database, ann: User) -> None:
    notices = Notices(database)
    told: list[bool] = []

    async def tell() -> None:
        told.append(await notices.add(ann.id, title="Hi", body="…", dedupe_key="k"))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(tell)

    assert sorted(told) == [False, False, False, False, True]


async def test_a_user_sees_only_their_own_newest_first(
    database: Database, ann: User, bob: User
) -> None:
    notices = Notices(database)
    await notices.add(ann.id, title="one", body="", dedupe_key="1")
    await notices.add(bob.id, title="Bob's", body="", dedupe_key="1")
    await notices.add(ann.id, title="two", body="", dedupe_key="2")

    assert [notice.title for notice in await notices.of(ann.id)] == ["two", "one"]
