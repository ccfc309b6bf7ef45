"""An ASGI application as a real HTTP server on this machine, which can also cut its clients off."""

import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request

from tests.eventually import eventually


class _Server(uvicorn.Server):
    """One that leaves signals to whoever runs the tests."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


@dataclass(frozen=True, slots=True)
class Served:
    """Where the server is."""

    url: str
    port: int
    server: _Server

    def cut(self, request: Request) -> None:
        """Break this request's connection."""
        assert request.client
        for each in cast("set[Any]", self.server.server_state.connections):
            if each.client == tuple(request.client):
                each.transport.abort()


@asynccontextmanager
async def serving(app: Starlette) -> AsyncGenerator[Served]:
    """Serve it while the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", http="h11")
    server = _Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [listener])
        await eventually(lambda: server.started)
        try:
            yield Served(f"http://127.0.0.1:{port}", port, server)
        finally:
            server.force_exit = server.should_exit = True
    listener.close()
