import gzip
import tracemalloc
import zlib
from datetime import timedelta

import anyio
import pytest
from anyio.abc import SocketStream

from app.services.download import Download
from app.services.web_guard import WebGuard
from app.services.web_post import Poster, PostFailed, PostLimits, PostUnanswered
from tests.services.website import Answer, Request, reply, website

BRIEF = PostLimits(
    connect=timedelta(seconds=0.5), answer=timedelta(seconds=0.3), body=timedelta(seconds=0.3)
)


async def post(url: str, *, limits: PostLimits = BRIEF, login: str = "") -> Download:
    guard = WebGuard(trusted=[url])
    there = url.replace("http://", f"http://{login}@") if login else url
    return await Poster(guard, limits).ask(there, content=b"{}", headers={"X-Said": "yes"})


async def test_it_is_brought_with_our_headers_and_the_answer_comes_back() -> None:
    async with website(reply(b"ok", status=202, X_Id="1")) as site:
        answer = await post(site.url + "hook?a=b", login="ann:secret")

    (request,) = site.requests
    assert (answer.status, answer.body, answer.headers["x-id"]) == (202, b"ok", "1")
    assert (request.path, request.headers["x-said"]) == ("/hook?a=b", "yes")
    assert request.headers["host"] == f"127.0.0.1:{site.port}"
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["accept-encoding"] == "identity"


async def test_what_nobody_had_is_told_from_what_was_cut_off() -> None:
    async def cut(_request: Request, stream: SocketStream) -> None:
        await stream.aclose()

    async with website(cut) as site:
        with pytest.raises(PostUnanswered, match=r"127\.0\.0\.1 did not answer"):
            await post(site.url)
        closed = site.url
    with pytest.raises(PostFailed, match="can't be reached"):
        await post(closed)


async def test_a_host_that_is_not_found_in_time_had_nothing() -> None:
    async def lost(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    async def silent(_host: str, _port: int) -> list[str]:
        await anyio.sleep_forever()
        return []

    limits = PostLimits(connect=timedelta(seconds=0.1))
    for resolve, said in ((lost, "Name or service not known"), (silent, "was not resolved")):
        with pytest.raises(PostFailed, match=said):
            await Poster(WebGuard(resolve=resolve), limits).ask(
                "http://example.org/s3cret", content=b"", headers={}
            )


async def never(_request: Request, _stream: SocketStream) -> None:
    await anyio.sleep_forever()


async def drip(_request: Request, stream: SocketStream) -> None:
    while True:
        await stream.send(b"H")
        await anyio.sleep(0.05)


async def garbage(_request: Request, stream: SocketStream) -> None:
    await stream.send(b"\x00\x01 what?\r\n\r\n")


@pytest.mark.case(56)
@pytest.mark.parametrize("answer", [never, drip, garbage])
async def test_no_answer_in_time_leaves_it_open_whether_it_was_taken(answer: Answer) -> None:
    async with website(answer) as site:
        with anyio.fail_after(5), pytest.raises(PostUnanswered):
            await post(site.url)


async def endless(_request: Request, stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await stream.send(b"x" * 65_536)


def bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(1024**2)) for _ in range(64))
    return packed + packer.flush()


@pytest.mark.case(56)
@pytest.mark.parametrize(
    "answer",
    [
        endless,
        reply(b"short", content_length="1000"),
        reply(bomb(), Content_Encoding="gzip"),
        reply(b"no gzip", Content_Encoding="gzip"),
        reply(b"\xff\xfe", Content_Type="text/plain; charset=nonsense"),
    ],
    ids=["endless", "wrong length", "bomb", "no gzip", "charset"],
)
async def test_of_a_bad_body_the_status_counts_and_little_is_read(answer: Answer) -> None:
    async with website(answer) as site:
        tracemalloc.start()
        with anyio.fail_after(10):
            said = await post(site.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert said.status == 200
    assert len(said.body) <= 64 * 1024
    assert peak < 16 * 1024**2


@pytest.mark.case(56)
async def test_a_body_that_trickles_is_left_alone() -> None:
    async def trickle(_request: Request, stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await stream.send(b"x")
            await anyio.sleep(0.05)

    async with website(trickle) as site:
        with anyio.fail_after(5):
            assert (await post(site.url)).status == 201


async def test_the_next_address_of_a_host_is_tried() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    async with website(reply(b"ok")) as site:
        url = f"http://nas:{site.port}/"
        guard = WebGuard(trusted=[url], resolve=resolve)
        answer = await Poster(guard).ask(url, content=b"{}", headers={})

    assert (answer.status, len(site.requests)) == (200, 1)


async def test_what_is_packed_is_not_unpacked() -> None:
    packed = gzip.compress(b"hello")

    async with website(reply(packed, Content_Encoding="gzip")) as site:
        assert (await post(site.url)).body == packed
