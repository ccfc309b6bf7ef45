from dataclasses import replace

import pytest

from app.storage.address import InvalidAddress
from app.storage.database import Database
from app.storage.users import InvalidUser, UnknownUser, User, Users


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database)


async def add(users: Users, name: str = "Ann", *, active: bool = True) -> User:
    return await users.add(name=name, address=f"{name.lower()}@example.org", active=active)


async def test_a_user_is_found_by_id(users: Users) -> None:
    ann = await add(users)

    assert await users.get(ann.id) == ann


async def test_an_unknown_user_is_an_error_that_no_retry_mends(users: Users) -> None:
    with pytest.raises(UnknownUser, match="there is no user 7") as caught:
        await users.get(7)

    assert isinstance(caught.value, (LookupError, ValueError))


async def test_only_active_users_are_listed(users: Users) -> None:
    ann, _ = await add(users), await add(users, "Bob", active=False)

    assert await users.active() == (ann,)


async def test_the_only_user_needs_no_name(users: Users) -> None:
    ann, _ = await add(users), await add(users, "Bob", active=False)

    assert await users.only() == ann


async def test_nobody_is_picked_among_several(users: Users) -> None:
    for name in ("Ann", "Bob"):
        await add(users, name)

    with pytest.raises(UnknownUser, match="there are 2 users: say which one"):
        await users.only()


async def test_nobody_is_the_only_user_of_a_new_home(users: Users) -> None:
    with pytest.raises(UnknownUser, match="start Steward once"):
        await users.only()

    with pytest.raises(UnknownUser, match="start Steward once"):
        await users.owner()


async def test_the_owner_is_created_once(users: Users) -> None:
    first = await users.ensure_owner(name="Ann", address="ann@example.org", timezone="UTC")
    second = await users.ensure_owner(name="Ann", address="ann@example.org", timezone="UTC")

    assert first == second == await users.owner() == await users.only()


async def test_the_owner_is_what_the_settings_say_now(users: Users) -> None:
    before = await users.ensure_owner(name="Ann", address="ann@example.org", timezone="UTC")

    after = await users.ensure_owner(name="Anna", address="a@home.example", timezone="Asia/Tokyo")

    assert (after.id, after.name, after.timezone) == (before.id, "Anna", "Asia/Tokyo")
    assert await users.owner() == after


async def test_another_user_is_not_the_owner(users: Users) -> None:
    await add(users, "Bob")

    owner = await users.ensure_owner(name="Ann", address="ann@example.org", timezone="UTC")

    assert await users.owner() == owner


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../../etc/passwd", "Europe", "a\0b", "x" * 999])
async def test_a_zone_that_is_none_is_refused(users: Users, zone: str) -> None:
    with pytest.raises(InvalidUser, match="timezone must be a name such as"):
        await users.add(name="Ann", address="ann@example.org", timezone=zone)

    assert await users.active() == ()


@pytest.mark.parametrize("name", ["", "  ", "Ann\nBcc: x@y", "\ud800", "x" * 201])
async def test_a_name_that_is_none_is_refused(users: Users, name: str) -> None:
    with pytest.raises(InvalidUser, match="name must be"):
        await users.add(name=name, address="ann@example.org")


async def test_an_address_that_is_none_is_refused(users: Users) -> None:
    with pytest.raises(InvalidAddress, match="not a mail address"):
        await users.add(name="Ann", address="ann@example.org, eve@example.org")


async def test_quiet_hours_are_kept_with_the_user(users: Users) -> None:
    ann = await users.add(name="Ann", address="ann@example.org", quiet_hours="22:00-07:30")

    assert str((await users.get(ann.id)).quiet_hours) == "22:00-07:30"
    assert (await users.change(ann.id, quiet_hours="")).quiet_hours is None
    assert await users.get(ann.id) == replace(ann, quiet_hours=None)


async def test_the_owner_keeps_quiet_hours_that_the_settings_leave_open(users: Users) -> None:
    given = {"name": "Ann", "address": "ann@example.org", "timezone": "UTC"}
    await users.ensure_owner(**given, quiet_hours="22:00-07:30")

    assert str((await users.ensure_owner(**given)).quiet_hours) == "22:00-07:30"


@pytest.mark.parametrize("hours", ["22-7", "22:00-24:00", "22:00-22:00", "22:00 - 07:00"])
async def test_quiet_hours_that_are_none_are_refused(users: Users, hours: str) -> None:
    with pytest.raises(InvalidUser, match="quiet hours must be two times such as 22:00-07:30"):
        await users.add(name="Ann", address="ann@example.org", quiet_hours=hours)


async def test_nobody_has_no_quiet_hours_to_set(users: Users) -> None:
    with pytest.raises(UnknownUser, match="there is no user 7"):
        await users.change(7, quiet_hours="22:00-07:30")


async def test_the_number_of_one_who_was_deleted_is_nobody_elses(users: Users) -> None:
    gone = await add(users)
    await users.delete(gone.id)

    assert (await add(users, "Bob")).id > gone.id
