"""A server on this machine that is posted to, as Slack is, and as a webhook of one's own."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.observability.watch_server import WatchServer
from tests.eventually import eventually
from tests.servers import free_port


@dataclass
class Post:
    """What was posted."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Hooks:
    """Where to post, what was, and what is answered to it."""

    port: int
    answers: list[int] = field(default_factory=list[int])
    """One for each post to come; then 200."""
    posts: list[Post] = field(default_factory=list[Post])

    def url(self, path: str) -> str:
        """The address of one of its hooks."""
        return f"http://127.0.0.1:{self.port}/{path}"


@asynccontextmanager
async def hooks() -> AsyncGenerator[Hooks]:
    """Be posted to while the block lasts."""
    found = Hooks(free_port())

    async def take(request: Request) -> PlainTextResponse:
        post = Post(request.url.path, dict(request.headers), await request.body())
        found.posts.append(post)
        code = found.answers.pop(0) if found.answers else 200
        return PlainTextResponse("ok", status_code=code)

    app = Starlette(routes=[Route("/{path}", take, methods=["POST"])])
    server = WatchServer(app, host="127.0.0.1", port=found.port, ports=1)
    async with anyio.create_task_group() as group:
        group.start_soon(server.run)
        await eventually(lambda: _answers(found.port))
        yield found
        group.cancel_scope.cancel()


async def _answers(port: int) -> bool:
    try:
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    except OSError:
        return False
