from datetime import UTC, datetime, timedelta

import pytest
from anyio.abc import SocketStream

from app.services.calendar import (
    FeedCalendar,
    Snapshot,
    SourceRefused,
    SourceUnavailable,
    Unchanged,
)
from app.services.web_guard import AddressRefused
from app.storage.cache import Cache
from app.storage.calendar_event import SourceState
from app.storage.database import Database
from tests.services.website import Request, reply, website

CALENDAR = b"BEGIN:VCALENDAR\nEND:VCALENDAR\n"


async def with_etag(request: Request, stream: SocketStream) -> None:
    same = request.headers.get("if-none-match") == '"1"'
    answer = reply(status=304) if same else reply(CALENDAR, ETag='"1"')
    await answer(request, stream)


async def first(feed: FeedCalendar) -> SourceState:
    snapshot = await feed.read(None)
    assert isinstance(snapshot, Snapshot)
    return snapshot.state


async def test_a_feed_gives_its_calendar_and_its_etag() -> None:
    async with website(with_etag) as site:
        snapshot = await FeedCalendar(site.url).read(None)

    assert isinstance(snapshot, Snapshot)
    assert [file.data for file in snapshot.files] == [CALENDAR]
    assert snapshot.state.etag == '"1"'


async def test_a_feed_is_asked_only_for_what_is_new() -> None:
    async with website(with_etag) as site:
        feed = FeedCalendar(site.url)
        known = await first(feed)

        assert await feed.read(known) == Unchanged()

    assert site.requests[1].headers["if-none-match"] == '"1"'


async def test_a_server_without_etags_is_asked_by_date() -> None:
    changed = "Sat, 21 Nov 2026 10:00:00 GMT"
    async with website(reply(CALENDAR, Last_Modified=changed)) as site:
        feed = FeedCalendar(site.url)
        known = await first(feed)

        assert await feed.read(known) == Unchanged()

    assert site.requests[1].headers["if-modified-since"] == changed


async def test_the_same_bytes_are_no_change_whatever_the_server_says() -> None:
    async with website(reply(CALENDAR)) as site:
        feed = FeedCalendar(site.url)

        assert await feed.read(await first(feed)) == Unchanged()


async def test_a_feed_that_must_be_read_again_is_asked_without_conditions() -> None:
    async with website(with_etag) as site:
        feed = FeedCalendar(site.url)
        await first(feed)

        assert isinstance(await feed.read(None), Snapshot)

    assert "if-none-match" not in site.requests[1].headers


async def test_what_is_in_the_cache_is_not_sent_again_when_all_is_read_anew(
    database: Database,
) -> None:
    cache = Cache(database)
    async with website(with_etag) as site:
        await first(FeedCalendar(site.url, cache=cache))

        again = await FeedCalendar(site.url, cache=cache).read(None)

    assert isinstance(again, Snapshot)
    assert ([file.data for file in again.files], again.state.etag) == ([CALENDAR], '"1"')
    assert site.requests[1].headers["if-none-match"] == '"1"'


async def test_what_has_left_the_cache_is_sent_again(database: Database) -> None:
    now = datetime.now(UTC)
    async with website(with_etag) as site:
        await first(FeedCalendar(site.url, cache=Cache(database, now=lambda: now)))
        now += timedelta(days=7)

        again = await FeedCalendar(site.url, cache=Cache(database, now=lambda: now)).read(None)

    assert isinstance(again, Snapshot)
    assert "if-none-match" not in site.requests[1].headers


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_refusal_is_not_worth_a_retry(status: int) -> None:
    async with website(reply(status=status)) as site:
        with pytest.raises(SourceRefused) as caught:
            await FeedCalendar(site.url).read(None)

    assert isinstance(caught.value, PermissionError)


@pytest.mark.parametrize("status", [204, 304, 429, 500, 503])
async def test_trouble_of_the_server_is_worth_one(status: int) -> None:
    async with website(reply(status=status, Retry_After="90")) as site:
        with pytest.raises(SourceUnavailable, match=str(status)) as caught:
            await FeedCalendar(site.url).read(None)

    assert caught.value.retry_after == timedelta(seconds=90)


async def test_a_feed_that_redirects_into_the_home_network_is_refused() -> None:
    async with website(reply(b"secrets")) as canary:
        async with website(reply(status=301, Location=canary.url)) as site:
            with pytest.raises(SourceRefused):
                await FeedCalendar(site.url).read(None)

    assert canary.requests == []


async def test_nothing_a_feed_is_called_or_says_tells_its_address() -> None:
    async with website(reply(status=500)) as site:
        feed = FeedCalendar(site.url.replace("http://", "http://ann:hunter2@") + "private-4711.ics")
        with pytest.raises(SourceUnavailable) as caught:
            await feed.read(None)

    told = f"{feed.name} {feed.label} {caught.value!r} {caught.value.__cause__!r}"
    assert "hunter2" not in told
    assert "4711" not in told


@pytest.mark.parametrize("tag", ["x" * 2_000, '"é"'])
async def test_an_unusable_etag_is_not_kept(tag: str) -> None:
    async with website(reply(CALENDAR, ETag=tag)) as site:
        assert (await first(FeedCalendar(site.url))).etag == ""


def test_a_webcal_address_is_a_https_address() -> None:
    https = FeedCalendar("https://example.org/a.ics")

    assert FeedCalendar("webcal://example.org/a.ics").name == https.name


def test_what_is_no_web_address_is_refused_at_once() -> None:
    with pytest.raises(AddressRefused):
        FeedCalendar("file:///etc/passwd")
