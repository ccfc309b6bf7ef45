"""An OpenAI-compatible server for tests, that says exactly what it is told to, and counts."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

TOKENS = 42

Say = Callable[[SocketStream], Awaitable[None]]
"""Writes an answer, well-behaved or not."""


@dataclass(slots=True)
class ProviderServer:
    """Where it is, what it was asked, and what it says: each answer once, the last one for ever."""

    url: str
    answers: list[Say]
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    looked: list[str] = field(default_factory=list[str])
    """What was asked for and costs nothing."""
    keys: list[str] = field(default_factory=list[str])

    async def serve(self, stream: SocketStream) -> None:
        """One request, and its answer."""
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead):
            async with stream:
                received = BufferedByteReceiveStream(stream)
                head = (await received.receive_until(b"\r\n\r\n", 65536)).decode()
                pairs = (line.partition(": ") for line in head.split("\r\n")[1:])
                headers = {name.lower(): value for name, _, value in pairs}
                if head.startswith("GET "):
                    self.looked.append(head.split()[1])
                else:
                    size = int(headers["content-length"])
                    self.asked.append(json.loads(await received.receive_exactly(size)))
                self.keys.append(headers.get("authorization", ""))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                await answer(stream)


def said(message: str, *, done: bool = True) -> Say:
    """What a model says that has understood."""
    return completion(json.dumps({"done": done, "message": message}))


def completion(text: str | None, *, finish: str = "stop", **message: Any) -> Say:
    """A chat completion as OpenAI writes it, with any text."""
    whole = {"role": "assistant", "content": text, **message}
    return reply({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "test-model",
        "choices": [{"index": 0, "finish_reason": finish, "message": whole}],
        "usage": {"prompt_tokens": TOKENS - 2, "completion_tokens": 2, "total_tokens": TOKENS},
    })  # fmt: skip


def refusal(status: int, text: str = "no", **headers: str) -> Say:
    """An error as OpenAI writes it; `retry_after` is written Retry-After."""
    return reply({"error": {"message": text, "type": "x"}}, status, **headers)


def reply(what: object, status: int = 200, **headers: str) -> Say:
    """Any JSON, or bytes that are none."""
    body = what if isinstance(what, bytes) else json.dumps(what).encode()
    head = _head(status, {"Content-Length": str(len(body)), **headers})

    async def say(stream: SocketStream) -> None:
        await stream.send(head + body)

    return say


def endless(*, pause: float = 0.0) -> Say:
    """An answer that never ends, in a hurry or drop by drop."""

    async def say(stream: SocketStream) -> None:
        await stream.send(_head(200, {}) + b'{"id": "')
        while True:
            await stream.send(b"x" if pause else b"x" * 65536)
            await anyio.sleep(pause)

    return say


def cut() -> Say:
    """An answer that breaks off."""

    async def say(stream: SocketStream) -> None:
        await stream.send(_head(200, {"Content-Length": "1000"}) + b'{"id": "chat')

    return say


def _head(status: int, headers: dict[str, str]) -> bytes:
    named = {"Content-Type": "application/json", "Connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode()


@asynccontextmanager
async def provider_server(*answers: Say) -> AsyncGenerator[ProviderServer]:
    """A server on this machine, while the block lasts."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = listener.extra(SocketAttribute.local_port)
    server = ProviderServer(f"http://127.0.0.1:{port}/v1", [*answers])
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, server.serve)
        yield server
        group.cancel_scope.cancel()
