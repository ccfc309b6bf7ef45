"""A provider of SMS, as much of Twilio as Steward asks of it, and as badly behaved as told."""

from base64 import b64encode
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import parse_qs

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.services.served import Served, serving

ACCOUNT, TOKEN, SENDER = "ACtest", "canary-token", "+15005550006"
_BASIC = f"Basic {b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}"


class Fate(Enum):
    """What else than an answer may become of a request."""

    CUT_BEFORE = auto()
    """The connection breaks, and nothing was done."""
    CUT_AFTER = auto()
    """It is done, and the connection breaks."""
    SILENT = auto()
    """It is done, and nobody says so."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as Twilio says it."""

    status: int
    code: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])


Answer = Fate | Refusal | Response


@dataclass(slots=True)
class TwilioLike:
    """Where SMS end up; the next requests get the next `answers`, all others a good one."""

    answers: deque[Answer] = field(default_factory=deque[Answer])
    taken: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    requests: int = 0
    standings: dict[str, dict[str, Any] | Refusal] = field(
        default_factory=dict[str, dict[str, Any] | Refusal]
    )
    on_taken: Callable[[], None] = lambda: None
    """Called when one was taken, before that is answered."""
    served: Served | None = None

    @property
    def url(self) -> str:
        """Its base URL."""
        assert self.served
        return self.served.url

    async def create(self, request: Request) -> Response:
        """POST Messages.json."""
        self.requests += 1
        if request.headers.get("authorization") != _BASIC:
            return _error(Refusal(401, 20003))
        form = parse_qs((await request.body()).decode(), strict_parsing=True)
        answer = self.answers.popleft() if self.answers else None
        match answer:
            case Refusal():
                return _error(answer)
            case Response():
                return answer
            case Fate.CUT_BEFORE:
                return self._cut(request)
            case _:
                pass
        sid = f"SM{len(self.taken) + 1:032x}"
        self.taken.append({"sid": sid, **{name: values[0] for name, values in form.items()}})
        self.on_taken()
        if answer is Fate.CUT_AFTER:
            return self._cut(request)
        if answer is Fate.SILENT:
            await anyio.sleep_forever()
        said = {"sid": sid, "status": "queued", "error_code": None}
        return JSONResponse(said, status_code=201)

    async def look(self, request: Request) -> Response:
        """GET Messages/{sid}.json."""
        self.requests += 1
        sid = request.path_params["sid"]
        said = self.standings.get(sid, {"status": "sent", "error_code": None})
        return _error(said) if isinstance(said, Refusal) else JSONResponse(said)

    async def account(self, request: Request) -> Response:
        """GET the account."""
        if request.headers.get("authorization") != _BASIC:
            return _error(Refusal(401, 20003))
        return JSONResponse({"sid": ACCOUNT, "status": "active"})

    def _cut(self, request: Request) -> Response:
        assert self.served
        self.served.cut(request)
        return Response()


@asynccontextmanager
async def twilio_like() -> AsyncGenerator[TwilioLike]:
    """Serve one while the block lasts."""
    provider = TwilioLike()
    place = f"/2010-04-01/Accounts/{ACCOUNT}"
    routes = [
        Route(f"{place}/Messages.json", provider.create, methods=["POST"]),
        Route(f"{place}/Messages/{{sid}}.json", provider.look),
        Route(f"{place}.json", provider.account),
    ]
    async with serving(Starlette(routes=routes)) as served:
        provider.served = served
        yield provider


def _error(refusal: Refusal) -> Response:
    said = {"code": refusal.code, "message": "canary", "status": refusal.status}
    return JSONResponse(said, status_code=refusal.status, headers=refusal.headers)
