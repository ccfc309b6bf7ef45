"""Who gets posts: Slack's incoming webhook, and a webhook that believes only what is signed.

The signature is checked here by the words of Standard Webhooks, and not by our code.
"""

import hmac
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256
from time import time
from typing import Any

import anyio
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.storage.ways import Channel, Way
from tests.services.served import Served, serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLACK_PATH = "/services/T000/B000/canary"
_TOLERANCE = 300  # s


class Fate(Enum):
    """What else than an answer may become of a request."""

    CUT_AFTER = auto()
    """It is taken, and the connection breaks."""
    SILENT = auto()
    """It is taken, and nobody says so."""


Answer = Fate | Response


@dataclass(slots=True)
class Receiver:
    """What arrived; the next requests get the next `answers`, all others a good one."""

    answers: deque[Answer] = field(default_factory=deque[Answer])
    slack: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    hooked: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list[tuple[str, dict[str, Any]]]
    )
    """What was told to the webhook and believed, with its id; repeats too."""
    refused: int = 0
    on_taken: Callable[[], None] = lambda: None
    served: Served | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        assert self.served
        return self.served.url

    @property
    def ways(self) -> tuple[Way, Way]:
        """How to reach it."""
        return (
            Way(channel=Channel.SLACK, address=f"{self.url}{SLACK_PATH}"),
            Way(channel=Channel.WEBHOOK, address=f"{self.url}/hook", secret=SECRET),
        )

    async def take_slack(self, request: Request) -> Response:
        """POST to the incoming webhook."""
        said = msgspec.json.decode(await request.body())
        return await self._answer(request, lambda: self.slack.append(said), "ok")

    async def take_hook(self, request: Request) -> Response:
        """POST to the webhook."""
        body = await request.body()
        if not is_signed(dict(request.headers), body, secret=SECRET, now=time()):
            self.refused += 1
            return PlainTextResponse("who are you?", 401)
        told = (request.headers["webhook-id"], msgspec.json.decode(body))
        return await self._answer(request, lambda: self.hooked.append(told), "")

    async def _answer(self, request: Request, take: Callable[[], None], good: str) -> Response:
        answer = self.answers.popleft() if self.answers else None
        if isinstance(answer, Response):
            return answer
        take()
        self.on_taken()
        if answer is Fate.CUT_AFTER:
            assert self.served
            self.served.cut(request)
        if answer is Fate.SILENT:
            await anyio.sleep_forever()
        return PlainTextResponse(good)


@asynccontextmanager
async def receiver() -> AsyncGenerator[Receiver]:
    """Serve one while the block lasts."""
    there = Receiver()
    routes = [
        Route(SLACK_PATH, there.take_slack, methods=["POST"]),
        Route("/hook", there.take_hook, methods=["POST"]),
    ]
    async with serving(Starlette(routes=routes)) as served:
        there.served = served
        yield there


def is_signed(headers: dict[str, str], body: bytes, *, secret: str, now: float) -> bool:
    """Whether who sent it knows the secret, and has sent it just now."""
    sent_at = headers.get("webhook-timestamp", "0")
    if abs(now - int(sent_at)) > _TOLERANCE:
        return False
    content = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    key = b64decode(secret.removeprefix("whsec_"))
    expected = b64encode(hmac.new(key, content, sha256).digest()).decode()
    given = [each.partition(",") for each in headers.get("webhook-signature", "").split()]
    return any(version == "v1" and digest == expected for version, _, digest in given)
