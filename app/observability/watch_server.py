"""The HTTP server inside a worker process: small, and unmoved by whoever connects.

Of several processes of one machine each takes the next port that is free, from the first on; one
that takes the place of another finds the port that this one left. Where none is free the worker
works all the same, says so once, and tries again.

A connection lives ten seconds at most, whatever its other end does or does not say; there are 64 of
them at a time, requests have heads of 16 KiB at most, and what they bring with them is not read.
"""

import logging
import socket
from asyncio import BaseTransport, Transport
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import anyio
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

_LIFE = 10.0  # s; longer than any answer takes
_MOST = 64  # connections
_LONGEST_HEAD = 16 * 1024  # bytes
_AGAIN = 5.0  # s until another look for a free port
_CLOSING = 3  # s for answers that are under way when the worker stops


class WatchServer:
    """Serves one application at one of some ports."""

    def __init__(self, app: Starlette, *, host: str, port: int, ports: int) -> None:
        """`ports`: how many there are, from `port` on."""
        self._app = app
        self._host = host
        self._ports = range(port, min(port + ports, 2**16))

    async def run(self) -> None:
        """Serve until cancelled."""
        with await self._listening() as listener:
            server = _Server(self._config())
            log.info("watched at http://%s:%d", *_written(listener))
            async with anyio.create_task_group() as group:
                group.start_soon(server.serve_here, listener)
                try:
                    await anyio.sleep_forever()
                finally:
                    server.should_exit = True  # which ends the group

    async def _listening(self) -> socket.socket:
        is_told, trouble = False, ""
        while True:
            for port in self._ports:
                try:
                    return _listen(self._host, port)
                except OSError as error:
                    trouble = error.strerror or type(error).__name__
            if not is_told:
                first, last = self._ports[0], self._ports[-1]
                log.warning("nobody can watch: ports %d to %d: %s", first, last, trouble)
                is_told = True
            await anyio.sleep(_AGAIN)

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http=_Brief,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            timeout_graceful_shutdown=_CLOSING,
        )


class _Server(uvicorn.Server):
    """One that leaves signals to the process it lives in."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def serve_here(self, listener: socket.socket) -> None:
        """Serve until `should_exit`; to be cancelled does not leave a socket open."""
        with anyio.CancelScope(shield=True):
            await self.serve(sockets=[listener])


class _Brief(H11Protocol):
    """A connection with an end."""

    def connection_made(self, transport: BaseTransport) -> None:
        whole = cast("Transport", transport)
        super().connection_made(whole)
        self._end = self.loop.call_later(_LIFE, whole.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_MOST)


def _written(listener: socket.socket) -> tuple[str, int]:
    host, port, *_ = listener.getsockname()
    return (f"[{host}]" if ":" in host else host), port
