"""Sessions: whose a token is and until when, and what a clean-up removes at which moment."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.engine import days, hours
from app.storage.database import Database
from app.storage.sessions import SessionRow, Sessions
from app.storage.users import User, Users
from tests.storage.databases import on_sqlite
from tests.storage.still_clock import TICK, StillClock


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture
def sessions(database: Database, still: StillClock) -> Sessions:
    return Sessions(database, lifetime=days(30), idle=days(7), now=still.now)


async def rows(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(SessionRow)) or 0


async def used_daily(sessions: Sessions, still: StillClock, token: str, until: timedelta) -> None:
    end = still.now() + until
    while still.now() + days(1) <= end:
        still.advance(days(1))
        assert await sessions.find(token)


@on_sqlite
async def test_a_token_is_its_users_and_is_not_in_the_database(
    sessions: Sessions, owner: User, database: Database
) -> None:
    token = await sessions.begin(owner.id, about="Ann's phone")

    found = await sessions.find(token)

    assert found is not None
    assert (found.user_id, found.about) == (owner.id, "Ann's phone")
    async with database.read() as session:
        (row,) = await session.scalars(select(SessionRow))
    assert all(token not in str(value) for value in vars(row).values())


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 10_000, "' OR 1=1 --"])
async def test_no_other_token_is_anybodys(sessions: Sessions, owner: User, token: str) -> None:
    await sessions.begin(owner.id)

    assert await sessions.find(token) is None


async def test_a_session_ends_at_its_end_however_much_it_is_used(
    sessions: Sessions, owner: User, still: StillClock
) -> None:
    token = await sessions.begin(owner.id)
    await used_daily(sessions, still, token, days(29))

    still.advance(days(1) - TICK)
    assert await sessions.find(token)
    still.advance(TICK)
    assert await sessions.find(token) is None


async def test_a_session_nobody_uses_ends_after_a_week(
    sessions: Sessions, owner: User, still: StillClock
) -> None:
    token = await sessions.begin(owner.id)

    still.advance(days(7) - TICK)
    assert await sessions.find(token)
    still.advance(days(7))
    assert await sessions.find(token) is None


async def test_use_is_written_down_once_a_minute(
    sessions: Sessions, owner: User, still: StillClock
) -> None:
    token = await sessions.begin(owner.id)
    began = still.now()

    still.advance(timedelta(seconds=59))
    first = await sessions.find(token)
    still.advance(timedelta(seconds=1))
    second = await sessions.find(token)

    assert first is not None
    assert second is not None
    assert (first.used_at, second.used_at) == (began, still.now())


async def test_who_logs_out_is_out(sessions: Sessions, owner: User) -> None:
    token, other = await sessions.begin(owner.id), await sessions.begin(owner.id)

    assert await sessions.end(token)
    assert not await sessions.end(token)
    assert await sessions.find(token) is None
    assert await sessions.find(other)


async def test_a_user_sees_their_own_sessions_only(
    sessions: Sessions, owner: User, database: Database, still: StillClock
) -> None:
    bob = await Users(database, now=still.now).add(name="Bob", address="bob@example.com")
    for who, about in ((owner, "phone"), (bob, "laptop"), (owner, "desk")):
        await sessions.begin(who.id, about=about)
        still.advance(hours(1))

    assert [each.about for each in await sessions.of(owner.id)] == ["desk", "phone"]


@pytest.mark.parametrize(
    ("age", "expired", "inactive"),
    [(days(7) - TICK, 0, 0), (days(7), 0, 1), (days(30) - TICK, 0, 1), (days(30), 1, 0)],
)
async def test_a_clean_up_removes_a_session_at_the_moment_it_ends_and_not_before(
    *,
    sessions: Sessions,
    owner: User,
    database: Database,
    still: StillClock,
    age: timedelta,
    expired: int,
    inactive: int,
) -> None:
    await sessions.begin(owner.id, about="ten bytes!")
    still.advance(age)

    dry = await sessions.clean(dry_run=True)
    assert await rows(database) == 1
    real = await sessions.clean()

    gone = expired + inactive
    assert (real.expired, real.inactive, real.kept) == (expired, inactive, 1 - gone)
    assert real.freed_bytes == gone * (64 + 10)
    assert (dry.expired, dry.inactive, dry.freed_bytes) == (expired, inactive, real.freed_bytes)
    assert await rows(database) == 1 - gone
    assert (await sessions.clean()).expired == 0
