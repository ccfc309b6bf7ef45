"""Real servers, started the way a test wants them: the Valkey we bring, and the machine's Redis.

Tests that need a Redis skip where none is installed, and those that need TLS where it has none.
With `--way` tests get the server, and the way to it, that was asked for (tests.ways).
"""

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import pytest
from arq.connections import RedisSettings

from app.engine import seconds
from app.local.binary import find_binary
from tests import ways
from tests.eventually import eventually
from tests.rights import of_server
from tests.services.mail.capture import CERTIFICATE

PROGRAMS = ("valkey", "redis")
_STARTING = seconds(30)


def program(name: str) -> Path:
    """Where it is, or where what `--way` takes is; the test is skipped where it isn't."""
    way = ways.way()
    if name == "valkey" and not (way and way.takes_redis):
        return find_binary()
    found = Path(shutil.which("redis-server") or pytest.skip("redis-server is not installed"))
    if way is ways.Way.TLS and not can_tls(found):
        pytest.skip("redis-server was built without TLS")
    return found


@cache
def can_tls(path: Path) -> bool:
    """Whether the program was built with TLS: then it misses a key, and ends."""
    command = [str(path), "--port", "0", "--tls-port", "1", "--tls-cert-file", "/none"]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    return b"tls-key-file" in done.stdout


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def folder() -> Generator[Path]:
    """A folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="server-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


class Server:
    """One server, that may be stopped or killed, and started again."""

    def __init__(
        self,
        path: Path,
        place: Path,
        *,
        is_sentinel: bool = False,
        is_tls: bool = False,
        **options: Any,
    ) -> None:
        """`place` holds its socket and its data; `options` are those of its configuration.

        With `is_tls` nothing else is spoken on its port.
        """
        self.port = free_port()
        is_plain = is_sentinel or is_tls or "tls_port" in options
        if ways.way() is ways.Way.TLS and not is_plain and can_tls(path):
            options |= tls_options(free_port())
        self.tls_port: int = options.get("tls_port", 0)
        """Where it also speaks TLS, if it does."""
        folder = place / str(self.port)
        folder.mkdir()
        self.data = folder
        self.socket = folder / "socket"
        self._log = folder / "log"
        config = folder / "config"
        self._command = [str(path), str(config)]
        usual: dict[str, Any] = {
            "port": self.port,
            "unixsocket": self.socket,
            "dir": folder,
            "logfile": self._log,
        }
        if is_sentinel:
            self._command.append("--sentinel")
        else:
            usual["save"] = '""'
        if is_tls:
            usual |= {"port": 0, "tls_replication": "yes"} | tls_options(self.port)
        lines = ((name.replace("_", "-"), each) for name, each in (usual | options).items())
        is_open = not (is_sentinel or "requirepass" in options)
        users = of_server() if is_open else []
        config.write_text("".join([*(f"{name} {each}\n" for name, each in lines), *users]))
        self._process: subprocess.Popen[bytes] | None = None
        self.away = list[tuple[float, float]]()
        """When it did not answer, since a test had stopped it, for as long as that was."""
        self._gone_at: float | None = None

    @property
    def settings(self) -> RedisSettings:
        """The way to it: by TCP, if nothing else was asked for."""
        return ways.to(self)

    @property
    def url(self) -> str:
        """The same, for a process."""
        return ways.url_of(self.settings)

    @property
    def by_tcp(self) -> RedisSettings:
        """The way to it by TCP, whatever was asked for."""
        return RedisSettings(host="127.0.0.1", port=self.port)

    @property
    def nearby(self) -> RedisSettings:
        """The way to it by its socket."""
        return RedisSettings(unix_socket_path=str(self.socket))

    def launch(self) -> None:
        """Begin to start it."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)

    async def start(self) -> "Server":
        """Return when it answers."""
        self.launch()
        await eventually(self._is_ready, within=_STARTING)
        self._note_return()
        return self

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order or not, and return when it is gone."""
        if self._process:
            self._gone_at = monotonic()
            self._process.send_signal(number)
            await eventually(self._is_gone, within=_STARTING)
            self._process = None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process
        self._process.send_signal(number)
        if number == signal.SIGSTOP:
            self._gone_at = monotonic()
        elif number == signal.SIGCONT:
            self._note_return()

    def _note_return(self) -> None:
        if self._gone_at is not None:
            self.away.append((self._gone_at, monotonic()))
            self._gone_at = None

    def said(self) -> str:
        """All it has logged so far."""
        return self._log.read_text(errors="replace")

    async def _is_ready(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.said()
        return (await _greeting(self.socket)).startswith((b"+PONG", b"-NOAUTH"))

    async def _is_gone(self) -> bool:
        return self._process is None or self._process.poll() is not None


async def _greeting(path: Path) -> bytes:
    with suppress(OSError, anyio.EndOfStream, TimeoutError), anyio.fail_after(1):
        async with await anyio.connect_unix(path) as stream:
            await stream.send(b"PING\r\n")
            return await stream.receive()
    return b""


@asynccontextmanager
async def running(path: Path, place: Path, **options: Any) -> AsyncGenerator[Server]:
    """A server while the block lasts."""
    server = Server(path, place, **options)
    try:
        yield await server.start()
    finally:
        await server.stop(signal.SIGKILL)


def tls_options(port: int) -> dict[str, Any]:
    """What makes a server listen with TLS on this port, too."""
    return {
        "tls_port": port,
        "tls_cert_file": CERTIFICATE,
        "tls_key_file": CERTIFICATE,
        "tls_ca_cert_file": CERTIFICATE,
        "tls_auth_clients": "no",
    }
