import gzip
import json
import sys
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from time import monotonic

import anyio
import pytest
from anyio.abc import SocketStream

from app.services.download import Download, Downloader, DownloadFailed, DownloadLimits
from app.services.web_guard import AddressRefused, WebGuard
from tests.plugins.cases import Case
from tests.services.website import Answer, Request, reply, website


async def get(url: str, *, trusted: str = "", limits: DownloadLimits | None = None) -> Download:
    guard = WebGuard(trusted=[trusted or url])
    return await Downloader(guard, limits or DownloadLimits()).get(url, {"X-Asked": "yes"})


async def test_a_page_is_fetched_with_our_headers() -> None:
    async with website(reply(b"hello", ETag='"1"')) as site:
        answer = await get(site.url + "a?b=c")

    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"hello", '"1"')
    assert site.requests[0].path == "/a?b=c"
    assert site.requests[0].headers["x-asked"] == "yes"
    assert site.requests[0].headers["host"] == f"127.0.0.1:{site.port}"


async def test_a_redirect_is_followed_on_the_same_host() -> None:
    async def answer(request: Request, stream: SocketStream) -> None:
        there = reply(b"here") if request.path == "/there" else reply(status=302, Location="/there")
        await there(request, stream)

    async with website(answer) as site:
        assert (await get(site.url)).body == b"here"


@pytest.mark.case(55)
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{canary}/",
        "http://localhost:{canary}/",
        "//127.0.0.1:{canary}/",
        "http://0x7f000001:{canary}/",
        "http://user:password@127.0.0.1:{canary}/",
        "http://[::ffff:127.0.0.1]:{canary}/",
    ],
)
async def test_a_redirect_can_not_lead_to_another_service_at_home(location: str) -> None:
    async with website(reply(b"secrets")) as canary:
        there = location.format(canary=canary.port)
        async with website(reply(status=302, Location=there)) as site:
            with pytest.raises(AddressRefused):
                await get(site.url)

    assert canary.requests == []


@pytest.mark.case(55)
@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://127.0.0.1:99999/"]
)
async def test_a_redirect_can_not_lead_out_of_the_web(location: str) -> None:
    async with website(reply(status=302, Location=location)) as site:
        with pytest.raises(AddressRefused):
            await get(site.url)


async def test_a_redirect_loop_ends() -> None:
    async with website(reply(status=302, Location="/")) as site:
        with pytest.raises(DownloadFailed, match="more than 5 times"):
            await get(site.url)

    assert len(site.requests) == 6


async def test_the_password_of_a_url_is_sent_as_a_login_and_not_to_another_host() -> None:
    async with website(reply(b"mine")) as site:
        url = site.url.replace("http://", "http://ann:secret@")
        await get(url, trusted=site.url)

    assert site.requests[0].headers["authorization"].startswith("Basic ")
    assert "secret" not in site.requests[0].path + site.requests[0].headers["host"]


@pytest.mark.case(56)
async def test_a_large_body_is_refused_before_it_is_complete() -> None:
    async with website(endless) as site:
        with pytest.raises(DownloadFailed, match="larger than 1024 kB"):
            await get(site.url, limits=DownloadLimits(size=1024**2))


async def endless(_request: Request, stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await stream.send(b"x" * 65_536)


async def trickle(_request: Request, stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await stream.send(b"x")
        await anyio.sleep(0.02)


def bomb(size: int = 200 * 1024**2) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(bytes(1024**2)) for _ in range(size // 1024**2)]
    return b"".join([*packed, packer.flush()])


@pytest.mark.case(56)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
async def test_no_bad_body_takes_much_memory_or_time(case: Case) -> None:
    bad = {
        "bomb": reply(bomb(), Content_Encoding="gzip"),
        "endless": endless,
        "trickle": trickle,
        "loop": reply(status=302, Location="/loop"),
        "short": reply(b"short", content_length="1000"),
        "charset": reply(b"\xff\xfe", Content_Type="text/plain; charset=nonsense"),
    }

    async def answer(request: Request, stream: SocketStream) -> None:
        await bad.get(request.path[1:], reply(b"harmless"))(request, stream)

    began = monotonic()
    async with website(answer) as site:
        command = [sys.executable, "-m", "tests.services.fetching", site.url, *bad]
        with anyio.fail_after(60):
            done = await anyio.run_process(command, stderr=None)
    took = monotonic() - began

    told = json.loads(done.stdout)
    gets = {path: got for path, (got, _) in told["said"].items()}
    assert gets.pop("charset") == "200, 2 bytes"
    assert set(gets.values()) == {"DownloadFailed"}
    posts = {path: posted.partition(",")[0] for path, (_, posted) in told["said"].items()}
    assert posts == {path: "302" if path == "loop" else "200" for path in bad}
    grown = told["grown"] / 1024**2
    assert grown < 64
    case.says(
        f"{len(bad)} bad bodies got and posted to, a bomb of 200 MiB and an endless one among them",
        steward=f"each ends as it should, {grown:.0f} MiB more at most, {took:.1f} s",
    )


@pytest.mark.case(56)
async def test_a_trickle_ends_at_the_deadline() -> None:
    async with website(trickle) as site:
        with anyio.fail_after(5), pytest.raises(DownloadFailed, match=r"longer than 0\.3 s"):
            await get(site.url, limits=DownloadLimits(time=timedelta(seconds=0.3)))


async def silent(_request: Request, stream: SocketStream) -> None:
    await stream.send_eof()


async def garbage(_request: Request, stream: SocketStream) -> None:
    await stream.send(b"\x00\x01 what?\r\n\r\n")


@pytest.mark.case(56)
@pytest.mark.parametrize(
    "answer",
    [
        silent,
        garbage,
        reply(b"short", content_length="1000"),
        reply(b"two lengths", Content_Length="1000"),
        reply(b"no gzip", Content_Encoding="gzip"),
        reply(b"x", Transfer_Encoding="chunked"),
    ],
)
async def test_a_broken_answer_is_a_failure_to_be_tried_again(answer: Answer) -> None:
    async with website(answer) as site:
        with pytest.raises(DownloadFailed) as caught:
            await get(site.url, limits=DownloadLimits(time=timedelta(seconds=2)))

    assert isinstance(caught.value, ConnectionError)


async def test_a_compressed_body_is_unpacked() -> None:
    async with website(reply(gzip.compress(b"hello"), Content_Encoding="gzip")) as site:
        assert (await get(site.url)).body == b"hello"


async def test_the_next_address_of_a_host_is_tried() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    async with website(reply(b"hello")) as site:
        guard = WebGuard(trusted=[f"http://nas:{site.port}/"], resolve=resolve)

        answer = await Downloader(guard).get(f"http://nas:{site.port}/", {})

    assert answer.body == b"hello"
    assert site.requests[0].headers["host"] == f"nas:{site.port}"


async def test_a_closed_port_and_an_unknown_host_are_failures() -> None:
    async def lost(_host: str, _port: int) -> list[str]:
        raise OSError("no such host")

    async with website(reply()) as site:
        closed = site.url

    with pytest.raises(DownloadFailed, match="can't be reached"):
        await get(closed)
    with pytest.raises(DownloadFailed, match=r"example\.org can't be found"):
        await Downloader(WebGuard(resolve=lost)).get("http://example.org/", {})


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("999999999", timedelta(days=1)),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("²", None),
        ("Mon, 01 Jan 2001 00:00:00 GMT", timedelta(0)),
    ],
)
def test_retry_after_is_read(said: str, wait: timedelta | None) -> None:
    answer = Download(status=503, headers={"retry-after": said}, body=b"", host="x")

    assert answer.retry_after == wait


def test_retry_after_may_be_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=10))

    wait = Download(status=503, headers={"retry-after": soon}, body=b"", host="x").retry_after

    assert wait is not None
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)
