"""A server that behaves as Notion's API does, one database in it, on a port of this machine.

It takes a version and a token with each request, pages its answers, knows when a page was edited to
the minute only, writes Markdown in its own way, and refuses what it is told to: 429 with
Retry-After, 409, 502, or an answer that is lost after the work was done.
"""

import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.engine import seconds
from tests.eventually import eventually

TOKEN = "ntn_the-secret-of-an-integration"
DATABASE, SOURCE, TITLE = "d" * 32, "5" * 32, "Title"
BOT, PERSON = "b" * 32, "a" * 32
_KINDS = {TITLE: {"type": "title"}, "Tags": {"type": "multi_select"}}
_FIXED: dict[tuple[str, str], dict[str, Any]] = {
    ("users", "me"): {"object": "user", "id": BOT, "type": "bot"},
    ("databases", DATABASE): {"id": DATABASE, "data_sources": [{"id": SOURCE}]},
    ("data_sources", SOURCE): {"id": SOURCE, "properties": _KINDS, "title": []},
}
_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Page:
    """A page of the database."""

    id: str
    title: str
    text: str
    edited_at: datetime
    edited_by: str = PERSON
    in_trash: bool = False
    unknown: list[str] = field(default_factory=list[str])

    def told(self) -> dict[str, Any]:
        """As the API tells of it."""
        said = [{"type": "text", "plain_text": self.title}] if self.title else []
        return {
            "object": "page",
            "id": self.id,
            "created_time": "2026-01-01T00:00:00.000Z",
            "last_edited_time": f"{self.edited_at:%Y-%m-%dT%H:%M}:00.000Z",
            "last_edited_by": {"object": "user", "id": self.edited_by},
            "in_trash": self.in_trash,
            "parent": {"type": "data_source_id", "data_source_id": SOURCE},
            "properties": {TITLE: {"id": "title", "type": "title", "title": said}},
        }


@dataclass(slots=True, kw_only=True)
class Fault:
    """What goes wrong with the next requests of a kind."""

    method: str
    path: str
    """How the path ends."""
    status: int
    times: int = 1
    retry_after: str = ""
    is_after: bool = False
    """Whether the work is done all the same."""

    @property
    def answer(self) -> Response:
        """What is answered."""
        codes = {429: "rate_limited", 409: "conflict_error", 400: "validation_error"}
        code = codes.get(self.status, "internal_server_error")
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        body = {"object": "error", "status": self.status, "code": code, "message": f"a {code}"}
        return JSONResponse(body, self.status, headers)


class Notion:
    """The server's memory, and what it is told to do."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.page_size = 100
        self.now = _LONG_AGO
        self.pause = 0.0
        """Seconds that each answer takes."""
        self.url = ""
        self._numbers = count(1)

    def add(self, title: str, text: str, *, by: str = PERSON, unknown: int = 0) -> Page:
        """A new page, made by a person unless said otherwise."""
        id = f"{next(self._numbers):032x}"
        page = Page(id, title, rendered(text), self.now, by, unknown=["x" * 32] * unknown)
        self.pages[id] = page
        return page

    def edit(self, page: Page, text: str, *, by: str = PERSON) -> None:
        """A change by a person unless said otherwise, some time later."""
        self.now += timedelta(minutes=5)
        page.text, page.edited_at, page.edited_by = rendered(text), self.now, by

    def texts(self) -> dict[str, str]:
        """What is on the pages, by their titles."""
        return {page.title: page.text for page in self.pages.values() if not page.in_trash}

    async def handle(self, request: Request) -> Response:
        """Answer a request, or refuse it."""
        path, method = request.url.path, request.method
        self.requests.append(f"{method} {path}")
        await anyio.sleep(self.pause)
        if not request.headers.get("notion-version"):
            return _error(400, "missing_version")
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401, "unauthorized")
        body: dict[str, Any] = await request.json() if await request.body() else {}
        fault = next((f for f in self.faults if self._hits(f, method, path)), None)
        if fault:
            fault.times -= 1
            if fault.is_after:
                self._act(method, path.split("/")[2:], body)
            return fault.answer
        return self._act(method, path.split("/")[2:], body)

    @staticmethod
    def _hits(fault: Fault, method: str, path: str) -> bool:
        return fault.times > 0 and fault.method == method and path.endswith(fault.path)

    def _act(self, method: str, path: list[str], body: dict[str, Any]) -> Response:
        match method, path:
            case "POST", ["data_sources", id, "query"] if id == SOURCE:
                return self._query(int(body.get("start_cursor", "0")))
            case "POST", ["pages"]:
                return self._create(body)
            case "GET" | "PATCH", ["pages", id, *rest] if id in self.pages:
                return self._page(self.pages[id], method, rest, body)
            case "GET", [kind, id] if told := _FIXED.get((kind, id)):
                return JSONResponse(told)
            case _:
                return _error(404, "object_not_found")

    def _query(self, start: int) -> Response:
        there = [page for page in self.pages.values() if not page.in_trash]
        end = start + self.page_size
        return JSONResponse(
            {
                "object": "list",
                "results": [page.told() for page in there[start:end]],
                "has_more": end < len(there),
                "next_cursor": str(end) if end < len(there) else None,
            }
        )

    def _create(self, body: dict[str, Any]) -> Response:
        title = body["properties"][TITLE]["title"][0]["text"]["content"]
        return JSONResponse(self.add(title, body["markdown"], by=BOT).told())

    def _page(self, page: Page, method: str, rest: list[str], body: dict[str, Any]) -> Response:
        if method == "PATCH":
            page.edited_by, page.edited_at = BOT, self.now
            if rest:
                page.text = rendered(body["replace_content"]["new_str"])
            else:
                page.in_trash = body.get("in_trash", page.in_trash)
                for named in body.get("properties", {}).values():
                    page.title = named["title"][0]["text"]["content"]
        if not rest:
            return JSONResponse(page.told())
        return JSONResponse(
            {
                "object": "page_markdown",
                "id": page.id,
                "markdown": page.text,
                "truncated": False,
                "unknown_block_ids": page.unknown,
            }
        )


def rendered(text: str) -> str:
    """Markdown as Notion writes it: its own bullets, a line a block."""
    lines = (line.rstrip() for line in text.replace("\n* ", "\n- ").splitlines())
    return "\n".join(line for line in lines if line)


def _error(status: int, code: str) -> Response:
    body = {"object": "error", "status": status, "code": code, "message": f"it is {code}"}
    return JSONResponse(body, status)


@asynccontextmanager
async def notion() -> AsyncGenerator[Notion]:
    """The server, until the block ends."""
    memory = Notion()
    methods = ["GET", "POST", "PATCH"]
    app = Starlette(routes=[Route("/v1/{path:path}", memory.handle, methods=methods)])
    listener = socket.create_server(("127.0.0.1", 0))
    memory.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = _Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_keep_alive=1))
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [listener])
        await eventually(lambda: server.started, within=seconds(20))
        yield memory
        server.should_exit = True


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the tests."""
        yield
