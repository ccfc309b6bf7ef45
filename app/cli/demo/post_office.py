"""The demo's post office: a server on this machine that takes SMS, Slack posts and webhooks.

It stands for the world outside, and shows what arrived there as a picture in words. Whoever asks
for notes is shown the notebook.
"""

import json
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any
from urllib.parse import parse_qs

import anyio
from anyio.abc import SocketAttribute, SocketStream

from app.cli.demo.notebook import Notebook

_LARGEST = 64 * 1024
_PATIENCE = 5.0  # s for a request to arrive


@dataclass(kw_only=True)
class PostOffice:
    """What has arrived, by the channel that it came on."""

    port: int
    secret: str
    arrived: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    notebook: Notebook = field(default_factory=Notebook)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes Steward bring everything here."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "sms": {
                "base_url": url,
                "account_sid": "demo",
                "auth_token": "demo",
                "sender": "Steward",
            },
            "notify": {
                "phone": "+15550001111",
                "slack_url": f"{url}/slack",
                "webhook_url": f"{url}/webhook",
                "webhook_secret": self.secret,
            },
            "notes": self.notebook.settings(url),
        }

    def picture_of(self, title: str) -> list[str]:
        """The lines that show what arrived about this."""
        return [
            f"{channel:<8}| {each}"
            for channel, texts in sorted(self.arrived.items())
            for each in texts
            if title in each
        ]

    async def serve(self, stream: SocketStream) -> None:
        """Take one request."""
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream), anyio.move_on_after(_PATIENCE):
            async with stream:
                method, path, headers, body = await _request(stream)
                if path.startswith("/v1/"):
                    await stream.send(_answer(self.notebook.answer(method, path, body)))
                    return
                await stream.send(_answer(self._take(path, headers, body)))

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        channel, text = _read(path, headers, body)
        if text:
            self.arrived.setdefault(channel, []).append(text)
        return {"sid": f"SM{len(self.arrived)}", "status": "delivered"}


@asynccontextmanager
async def open_post_office() -> AsyncGenerator[PostOffice]:
    """Open it while the block lasts."""
    secret = f"whsec_{b64encode(token_bytes(24)).decode()}"
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        office = PostOffice(port=listener.extra(SocketAttribute.local_port), secret=secret)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, office.serve)
            yield office
            group.cancel_scope.cancel()


def _read(path: str, headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """On which channel it came, and what it says; nothing for a question about an SMS."""
    match path:
        case "/slack":
            return "slack", " ".join(str(json.loads(body)["text"]).split())
        case "/webhook":
            told = json.loads(body)
            seal = headers.get("webhook-signature", "")[:12]
            return "webhook", f"{told['type']}: {told['data']['title']} (sealed {seal}...)"
        case _:
            return "sms", " / ".join(parse_qs(body.decode()).get("Body", [""])[0].splitlines())


async def _request(stream: SocketStream) -> tuple[str, str, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < _LARGEST:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    headers = {name.lower(): value for name, _, value in pairs}
    while len(body) < min(int(headers.get("content-length", "0")), _LARGEST):
        body += await stream.receive()
    method, path, *_ = first.split()
    return method, path, headers, body


def _answer(said: dict[str, Any]) -> bytes:
    body = json.dumps(said).encode()
    head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + body
