"""What a worker serves over HTTP, to whoever watches it.

    /live      200 as long as the process's loop turns; nothing else is asked
    /ready     200, or 503 with the reasons: whether this worker can do its work (see readiness);
               providers that can't be used are named, and no reason
    /health    200, or 503 when unhealthy: every part of Steward, as `steward health` tells it
    /metrics   for Prometheus (see exposition)

Nothing is ever changed by a request. Without a token only this machine's own names are answered to,
so that no web page reaches it by a name it made up. With one, strangers learn whether the worker is
alive and ready, and nothing more.
"""

import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic

import anyio
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.engine import Client, DeadLetters, Unavailable
from app.observability.exposition import CONTENT_TYPE, InRedis, Scrape, exposition
from app.observability.health import Health
from app.observability.process import process_use
from app.observability.readiness import Readiness
from app.observability.tally import Tally
from app.services.health_report import HealthReport, Level

_GIVEN_UP = 3.0  # s for Redis to say how the queues are; a scrape goes on without it
_CHECKED = 10.0  # s that a health check holds: it asks everybody, and each is remembered

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What there is to be told."""

    client: Client
    readiness: Readiness
    health: Health
    tally: Tally
    slots: int


def watch_app(watched: Watched, *, token: str = "") -> Starlette:
    """The application; with a token, what is not for everybody is for those who send it."""
    door, pages = _Door(token), _Pages(watched)
    answers = {
        "/live": door.told(pages.live, pages.live),
        "/ready": door.told(pages.ready, pages.ready_or_not),
        "/health": door.told(pages.health, _refused),
        "/metrics": door.told(pages.metrics, _refused),
    }
    return Starlette(routes=[Route(path, answer) for path, answer in answers.items()])


class _Door:
    """Knows who may be told what."""

    def __init__(self, token: str) -> None:
        self._token = f"Bearer {token}".encode() if token else b""

    def told(self, friend: Answer, stranger: Answer) -> Answer:
        """The answer for whoever asks."""

        async def answer(request: Request) -> Response:
            if not self._token and not _is_this_machine(request.url.hostname or ""):
                return PlainTextResponse("this is not my name\n", status_code=421)
            return await (friend if self._is_friend(request) else stranger)(request)

        return answer

    def _is_friend(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        return not self._token or hmac.compare_digest(given, self._token)


def _is_this_machine(name: str) -> bool:
    with suppress(ValueError):
        return ip_address(name).is_loopback
    return name == "localhost"


async def _refused(_request: Request) -> Response:
    return PlainTextResponse(
        "send the token\n", status_code=401, headers={"WWW-Authenticate": "Bearer"}
    )


class _Pages:
    """Every answer there is."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._report: HealthReport | None = None
        self._checked_at = 0.0
        self._checking = anyio.Lock()

    async def live(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready_or_not(self, _request: Request) -> Response:
        ready = await self._watched.readiness.look()
        said, code = ("ready\n", 200) if ready.is_so else ("not ready\n", 503)
        return PlainTextResponse(said, status_code=code)

    async def ready(self, _request: Request) -> Response:
        ready = await self._watched.readiness.look()
        told = {"ready": ready.is_so, "reasons": ready.reasons, "degraded": ready.degraded}
        return _json(told, status=200 if ready.is_so else 503)

    async def health(self, _request: Request) -> Response:
        report = await self._checked()
        return _json(report, status=503 if report.overall is Level.UNHEALTHY else 200)

    async def metrics(self, _request: Request) -> Response:
        scrape = Scrape(
            tally=self._watched.tally,
            process=await anyio.to_thread.run_sync(process_use),
            slots=self._watched.slots,
            redis=await self._in_redis(),
        )
        return Response(exposition(scrape), media_type=CONTENT_TYPE)

    async def _checked(self) -> HealthReport:
        async with self._checking:
            if self._report is None or monotonic() - self._checked_at > _CHECKED:
                self._report = await self._watched.health.check()
                self._checked_at = monotonic()
            return self._report

    async def _in_redis(self) -> InRedis | None:
        client = self._watched.client
        with suppress(Unavailable, TimeoutError), anyio.fail_after(_GIVEN_UP):
            letters = await DeadLetters(client).count()
            return InRedis(depths=await client.queues(), dead_letters=letters)
        return None


def _json(value: object, *, status: int) -> Response:
    body = msgspec.json.encode(value) + b"\n"
    return Response(body, status_code=status, media_type="application/json")
