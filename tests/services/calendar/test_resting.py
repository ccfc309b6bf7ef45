"""Calendars on servers that refuse us, or ask to wait: how often they are asked."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.engine import ManualClock, hours, minutes
from app.services.calendar import CalendarSync, FeedCalendar, FolderCalendar, SyncStatus
from app.services.calendar.caldav import CalDavAccount, CalDavServer
from app.services.calendar.resting import RestingSource
from app.services.calendar.source import CalendarSource, SourceRefused, SourceUnavailable
from app.services.health_report import PlainTrouble
from app.services.rests import Rests
from app.storage.cache import Cache
from app.storage.database import Database
from app.storage.mirror import MirrorBook
from app.storage.users import User, Users
from tests.services.ics.texts import calendar, event
from tests.services.website import reply, website

DENTIST = event("dentist", "DTSTART:20261202T100000Z", "DTEND:20261202T110000Z")


@pytest.fixture
async def ann(database: Database) -> User:
    return await Users(database).add(name="Ann", address="ann@example.org", timezone="UTC")


def syncing(
    database: Database, clock: ManualClock, user: User, source: CalendarSource, account: str = "a"
) -> CalendarSync:
    """As another process would, or the next tick."""
    rests = Rests(Cache(database, now=clock.now), now=clock.now)
    rest = rests.of(name="calendar", account=account, label=source.label)
    sources = {user.id: [RestingSource(source, rest)]}
    return CalendarSync(database, sources, rests=[rest], now=clock.now)


def caldav(database: Database, user: User, url: str, folder: Path) -> CalDavAccount:
    server = CalDavServer(url, username="ann", password="wrong-canary")

    def book(name: str) -> MirrorBook:
        return MirrorBook(database, user.id, name)

    return CalDavAccount(server, "ann", folder, book)


async def test_a_feed_that_asks_to_wait_is_not_asked_at_the_next_ticks(
    database: Database, clock: ManualClock, ann: User
) -> None:
    async with website(reply(status=429, retry_after="7200")) as site:
        first = await syncing(database, clock, ann, FeedCalendar(site.url)).sync(ann)
        with pytest.raises(SourceUnavailable) as told:
            first.raise_if_all_failed()
        assert told.value.retry_after == hours(2)

        clock.advance(hours(1))
        resting = await syncing(database, clock, ann, FeedCalendar(site.url)).sync(ann)
        resting.raise_if_all_failed()
        with pytest.raises(PlainTrouble, match="it has asked to be left alone since"):
            await syncing(database, clock, ann, FeedCalendar(site.url)).try_accounts()
        assert len(site.requests) == 1

        clock.advance(hours(1))
        await syncing(database, clock, ann, FeedCalendar(site.url)).sync(ann)

    assert len(site.requests) == 2
    assert (resting.status, resting.sources_resting) == (SyncStatus.RESTING, 1)
    assert "429" in resting.errors[0]
    assert resting.retry_after is not None
    assert resting.retry_after <= hours(1)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_caldav_login_that_is_refused_is_tried_once_an_hour(
    database: Database, clock: ManualClock, ann: User, tmp_path: Path, status: int
) -> None:
    asked = 0
    async with website(reply(status=status)) as site:
        for number in range(3):
            source = caldav(database, ann, site.url, tmp_path)
            synced = await syncing(database, clock, ann, source).sync(ann)
            if number == 0:
                asked = len(site.requests)
                with pytest.raises(SourceRefused):
                    synced.raise_if_all_failed()
            else:
                synced.raise_if_all_failed()
                assert synced.status is SyncStatus.RESTING
            clock.advance(minutes(20))
        assert len(site.requests) == asked

        clock.advance(minutes(1))
        await syncing(database, clock, ann, caldav(database, ann, site.url, tmp_path)).sync(ann)
        assert len(site.requests) == 2 * asked

        other = syncing(database, clock, ann, caldav(database, ann, site.url, tmp_path), "b")
        await other.sync(ann)
        assert len(site.requests) == 3 * asked


async def test_one_calendar_that_rests_holds_up_no_other(
    database: Database, clock: ManualClock, ann: User, tmp_path: Path
) -> None:
    (tmp_path / "home.ics").write_text(calendar(DENTIST))
    async with website(reply(status=503, retry_after="600")) as site:
        rest = Rests(Cache(database, now=clock.now), now=clock.now).of(
            name="calendar", account="a", label="the feed"
        )
        sources: list[CalendarSource] = [
            FolderCalendar(tmp_path),
            RestingSource(FeedCalendar(site.url), rest),
        ]
        sync = CalendarSync(database, {ann.id: sources}, rests=[rest], now=clock.now)

        first, second = await sync.sync(ann), await sync.sync(ann)

    assert len(site.requests) == 1
    assert (first.status, second.status) == (SyncStatus.PARTIAL_SUCCESS,) * 2
    assert (first.new, second.unchanged) == (1, 1)


async def test_the_first_answer_ends_it(database: Database, clock: ManualClock, ann: User) -> None:
    async with website(reply(status=401)) as site:
        feed = FeedCalendar(site.url)
        await syncing(database, clock, ann, feed).sync(ann)
    async with website(reply(calendar(DENTIST).encode())) as site:
        mended = FeedCalendar(site.url)
        assert (await syncing(database, clock, ann, mended).sync(ann)).new == 0
        await syncing(database, clock, ann, mended).guide(ann)

        synced = await syncing(database, clock, ann, mended).sync(ann)

    assert (synced.status, synced.new) == (SyncStatus.SUCCESS, 1)
    assert synced.retry_after is None or synced.retry_after == timedelta(0)
