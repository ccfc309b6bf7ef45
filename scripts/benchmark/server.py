"""A private Valkey or Redis, without persistence, which ends with the benchmark."""

import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import redis

from benchmark.failed import Failed

_OPTIONS = ("--port", "0", "--save", "", "--appendonly", "no")
_STARTING = 10.0  # s
_ENDING = 10.0  # s
_LOOK = 0.02  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the server has used so far."""

    cpu: float
    """Seconds."""
    commands: int
    """Those inside scripts count."""
    traffic: int
    """Bytes, both ways."""
    memory: int
    """Bytes, now."""


class Server:
    """The server as a process; it listens on a unix socket in a folder of its own."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="steward-bench-"))
        socket = self._folder / "redis.sock"
        self.url = f"unix://{socket}"
        self._redis = redis.Redis(unix_socket_path=str(socket))
        self._process = self._launch(socket)
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def empty(self) -> None:
        """Forget everything."""
        self._redis.flushall(asynchronous=False)

    def usage(self) -> Usage:
        """What it has used so far, this question included."""
        found = self._about()
        return Usage(
            cpu=found["used_cpu_user"] + found["used_cpu_sys"],
            commands=found["total_commands_processed"],
            traffic=found["total_net_input_bytes"] + found["total_net_output_bytes"],
            memory=found["used_memory"],
        )

    @property
    def name(self) -> str:
        """What it is, with its version."""
        found = self._about()
        if "valkey_version" in found:
            return f"Valkey {found['valkey_version']}"
        return f"Redis {found['redis_version']}"

    def _about(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self._redis.info("everything"))

    def _launch(self, socket: Path) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [self._binary, "--unixsocket", socket, *_OPTIONS],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the benchmark, which then ends it
            )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise Failed(f"cannot run {self._binary}: {error.strerror}") from error

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + _STARTING
        while time.monotonic() < give_up and self._process.poll() is None:
            with suppress(redis.ConnectionError):
                self._redis.ping()
                return
            time.sleep(_LOOK)
        raise Failed(f"{self._binary} does not serve")

    def _end(self) -> None:
        self._redis.close()
        self._process.terminate()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
