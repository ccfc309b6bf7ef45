"""A web server for tests that says exactly what it is told to, well-behaved or not."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for."""

    path: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Website:
    """Where the server is, and what it was asked."""

    url: str
    port: int
    requests: list[Request] = field(default_factory=list[Request])


Answer = Callable[[Request, SocketStream], Awaitable[None]]


def reply(body: bytes = b"", status: int = 200, **headers: str) -> Answer:
    """The same answer to everybody; `if_none_match` is written If-None-Match."""
    lines = [f"HTTP/1.1 {status} Said"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if "content_length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    raw = "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body

    async def answer(_request: Request, stream: SocketStream) -> None:
        await stream.send(raw)

    return answer


@asynccontextmanager
async def website(answer: Answer) -> AsyncGenerator[Website]:
    """A server on this machine that gives every client this answer."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = listener.extra(SocketAttribute.local_port)
    site = Website(f"http://127.0.0.1:{port}/", port)

    async def serve(stream: SocketStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
            async with stream:
                request = await _request(stream)
                site.requests.append(request)
                await answer(request, stream)

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield site
        group.cancel_scope.cancel()


async def _request(stream: SocketStream) -> Request:
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive()
    first, *lines = head.decode().split("\r\n\r\n")[0].split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return Request(first.split()[1], {name.lower(): value for name, _, value in pairs})
