"""What a CalDAV server may say to harm us, and where its words may not lead."""

from datetime import timedelta
from pathlib import Path

import pytest
from anyio.abc import SocketStream

from app.services.calendar.caldav import CalDavServer
from app.services.calendar.caldav.collection import CalDavCollection
from app.services.calendar.caldav.discovery import Found, find_calendars
from app.services.calendar.caldav.multistatus import BadAnswer, parse
from app.services.download import Downloader, DownloadLimits, Question
from app.services.mirror import BadItem, Gone, RemoteError, RemoteRefused, RemoteUnavailable
from app.services.web_guard import WebGuard
from tests.services.website import Answer, Request, Website, reply, website

HEAD = '<?xml version="1.0"?>'
BOMB = f"""{HEAD}<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>
<d:multistatus xmlns:d="DAV:"><d:response><d:href>&b;</d:href></d:response></d:multistatus>"""
OUTSIDE = f"""{HEAD}<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<d:multistatus xmlns:d="DAV:"><d:response><d:href>&x;</d:href></d:response></d:multistatus>"""
LIMITS = DownloadLimits(size=50_000, time=timedelta(seconds=5))


def dav(url: str, password: str = "the secret") -> CalDavServer:
    return CalDavServer(url, username="ann", password=password, limits=LIMITS)


def answers(*responses: str, token: str = "t1") -> str:
    return (
        f'{HEAD}<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">'
        f"{''.join(responses)}<d:sync-token>{token}</d:sync-token></d:multistatus>"
    )


def tagged(href: str, tag: str = '"1"') -> str:
    return (
        f"<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:getetag>{tag}</d:getetag>"
        "</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )


def said(href: str, status: int) -> str:
    return (
        f"<d:response><d:href>{href}</d:href><d:status>HTTP/1.1 {status} X</d:status></d:response>"
    )


def home_at(href: str) -> str:
    return answers(
        "<d:response><d:href>/</d:href><d:propstat><d:prop><c:calendar-home-set>"
        f"<d:href>{href}</d:href></c:calendar-home-set></d:prop>"
        "<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )


def multistatus(text: str) -> Answer:
    return reply(text.encode(), status=207)


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, "", "<html>", "{}", answers()[:-30], "<x/>"])
@pytest.mark.case(58)
def test_what_is_no_answer_is_not_believed(text: str) -> None:
    with pytest.raises(BadAnswer):
        parse(text.encode())


@pytest.mark.parametrize(
    "href",
    [
        "http://127.0.0.1:{canary}/",
        "http://localhost:{canary}/",
        "http://2130706433:{canary}/",
        "http://[::ffff:127.0.0.1]:{canary}/",
        "http://user:password@127.0.0.1:{canary}/",
        "//127.0.0.1:{canary}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{canary}/_x",
        "http://169.254.169.254/latest/",
    ],
)
@pytest.mark.case(55)
async def test_a_server_at_home_leads_nowhere_else_at_home(href: str) -> None:
    async with website(reply()) as canary:
        led = href.format(canary=canary.port)
        async with website(multistatus(home_at(led))) as site:
            with pytest.raises(RemoteError) as caught:
                await find_calendars(dav(site.url))

    assert canary.requests == []
    assert "secret" not in str(caught.value)


@pytest.mark.case(55)
async def test_a_redirect_leads_nowhere_else_at_home_either() -> None:
    async with website(reply()) as canary:
        async with website(reply(status=301, location=canary.url)) as site:
            with pytest.raises(RemoteRefused, match="not a public address"):
                await find_calendars(dav(site.url))

    assert canary.requests == []


async def test_a_token_is_shown_to_the_server_itself_and_along_no_redirect() -> None:
    def shown(site: Website) -> list[str | None]:
        return [each.headers.get("authorization") for each in site.requests]

    async with website(reply(status=401)) as elsewhere:
        url = elsewhere.url.replace("127.0.0.1", "localhost")
        async with website(reply(status=307, location=url)) as site:
            # both are at home, as far as the guard is asked here: the token must stay all the same
            guarded = Downloader(WebGuard(trusted=[site.url, url]))
            await guarded.ask(site.url, Question(bearer="the secret"))
        with pytest.raises(RemoteRefused, match="refuses the token: has it expired") as caught:
            await find_calendars(CalDavServer(elsewhere.url, token="the secret", limits=LIMITS))

    assert shown(site) == ["Bearer the secret"]
    assert shown(elsewhere)[:2] == [None, "Bearer the secret"]
    assert "secret" not in str(caught.value)


async def test_the_password_goes_to_siblings_of_its_host_only_and_never_in_the_clear() -> None:
    def login(server: CalDavServer, url: str) -> bool:
        return "secret" in server.with_login(url)

    cloud = dav("https://caldav.example.com/", "secret")

    assert login(cloud, "https://caldav.example.com/ann/")
    assert login(cloud, "https://p01-caldav.example.com/ann/")
    assert not login(cloud, "https://caldav.example.com.evil.org/")
    assert not login(cloud, "https://evilexample.com/")
    assert not login(cloud, "http://caldav.example.com/")
    assert not login(cloud, "https://caldav.example.com:8443/")
    assert not login(dav("https://10.0.0.1/", "secret"), "https://10.0.0.2/")
    assert not login(dav("https://example.com/", "secret"), "https://evil.com/")


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"x" * 60_000, status=207),
        reply(b"x", status=207, content_length="1000"),
        reply(status=503, retry_after="7"),
        reply(status=429, retry_after="7"),
        reply(status=502),
    ],
    ids=["too large", "cut off", "busy", "too often", "broken"],
)
@pytest.mark.case(56)
async def test_a_server_that_misbehaves_is_tried_again_later(answer: Answer) -> None:
    async with website(answer) as site:
        with pytest.raises(RemoteUnavailable):
            await find_calendars(dav(site.url))


async def test_a_wait_that_is_asked_for_is_known() -> None:
    async with website(reply(status=503, retry_after="7")) as site:
        with pytest.raises(RemoteUnavailable) as caught:
            await find_calendars(dav(site.url))

    assert caught.value.retry_after == timedelta(seconds=7)


def paged(*pages: Answer) -> tuple[Answer, list[Answer]]:
    left = list(pages)

    async def answer(request: Request, stream: SocketStream) -> None:
        await (left.pop(0) if left else pages[-1])(request, stream)

    return answer, left


def collection(site: Website) -> CalDavCollection:
    return CalDavCollection(dav(site.url), Found(url=f"{site.url}work/", title="Work"))


@pytest.mark.case(58)
async def test_a_listing_in_pages_is_put_together() -> None:
    first = answers(tagged("/work/a.ics"), said("/work/", 507), token="t1")
    second = answers(tagged("/work/b%20c.ics"), said("/work/gone.ics", 404), token="t2")
    answer, _ = paged(multistatus(first), multistatus(second))
    async with website(answer) as site:
        changes = await collection(site).changes("t0")

    assert sorted(each.name for each in changes.items) == ["a.ics", "b c.ics"]
    assert (changes.gone, changes.cursor, changes.is_whole) == (
        frozenset({"/work/gone.ics"}),
        "t2",
        False,
    )


async def test_what_goes_or_comes_back_between_two_pages_is_not_overlooked() -> None:
    first = answers(tagged("/work/a.ics"), said("/work/b.ics", 404), said("/work/", 507))
    second = answers(said("/work/a.ics", 404), tagged("/work/b.ics"), token="t2")
    answer, _ = paged(multistatus(first), multistatus(second))
    async with website(answer) as site:
        changes = await collection(site).changes("t0")

    assert [each.name for each in changes.items] == ["b.ics"]
    assert changes.gone == frozenset({"/work/a.ics"})


@pytest.mark.parametrize("refusal", [403, 409, 400, 412, 501])
@pytest.mark.case(58)
async def test_a_refused_token_is_followed_by_a_whole_listing(refusal: int) -> None:
    answer, left = paged(reply(status=refusal), multistatus(answers(tagged("/work/a.ics"))))
    async with website(answer) as site:
        changes = await collection(site).changes("old")

    assert (changes.is_whole, len(changes.items), left) == (True, 1, [])


@pytest.mark.parametrize("token", ["", "t0"])
@pytest.mark.case(58)
async def test_what_a_listing_has_an_error_for_is_neither_there_nor_gone(token: str) -> None:
    listing = answers(tagged("/work/a.ics"), said("/work/private.ics", 403), said("/work/", 200))
    async with website(multistatus(listing)) as site:
        changes = await collection(site).changes(token)

    assert [each.name for each in changes.items] == ["a.ics"]
    assert changes.bad == {"/work/private.ics": "127.0.0.1 answered 403 of it"}
    assert changes.gone == frozenset()


@pytest.mark.case(58)
async def test_what_a_server_does_not_mention_is_not_gone() -> None:
    there = said("/work/gone.ics", 404), said("/work/private.ics", 403)
    async with website(multistatus(answers(*there))) as site:
        gone, *others = await collection(site).fetch(
            ["/work/gone.ics", "/work/private.ics", "/work/left-out.ics"]
        )

    assert isinstance(gone, Gone)
    assert [type(each) for each in others] == [BadItem, BadItem]


async def test_a_server_that_knows_no_tokens_lists_its_versions() -> None:
    listing = answers(tagged("/work/"), tagged("/work/a.ics"))
    answer, _ = paged(reply(status=501), multistatus(listing))
    async with website(answer) as site:
        changes = await collection(site).changes("")

    assert (changes.is_whole, changes.cursor) == (True, "")
    assert [each.name for each in changes.items] == ["a.ics"]


@pytest.mark.parametrize(
    "path",
    ["/work/..%2f..%2fetc%2fpasswd.ics", "/work/%00.ics", "/work/.hidden", f"/work/{'x' * 300}.ics",
     "/work/a%5c..%5cb.ics", "/work/%0d%0ax.ics", "/work/C:x.ics"],
)  # fmt: skip
async def test_no_path_of_a_server_is_a_path_of_ours(path: str, tmp_path: Path) -> None:
    async with website(multistatus(answers(tagged(path)))) as site:
        changes = await collection(site).changes("")

    names = [each.name for each in changes.items]
    assert all((tmp_path / name).parent == tmp_path for name in names)
    assert all(len(name) <= 200 and name.isprintable() and name[0] != "." for name in names)
