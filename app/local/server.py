"""The home's Valkey as a process: launched, adopted, stopped.

It runs as a daemon in a session of its own, so Ctrl-C in a terminal is not for it, and it lives on
when the process that launched it is killed. What says that it lives is `server.lock`: the launcher
takes it, the server inherits it, and it is free when the server is gone. No process id is needed
for that; the one in its pid file is trusted only while the lock is taken.

Only one process at a time calls `ensure` or `stop`: app.local.valkey sees to it.
"""

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import anyio

from app.local.binary import find_binary
from app.local.errors import ServerFailed, ServerSilent
from app.local.home import LOGS, SERVER_LOCK, VALKEY
from app.local.lock import POLL, Lock
from app.local.socket import answers, socket_path

STARTING = 60.0  # seconds; the time to read a large append-only file back
PING = 2.0  # seconds; a server that takes longer to say PONG is looked at again
ENDING = 10.0  # seconds from SIGTERM to SIGKILL; the append-only file is synced in between
KILLED = 5.0  # seconds a killed process may take to be gone


class Server:
    """The one Valkey of a home, an absolute path, whoever launched it."""

    def __init__(self, home: Path) -> None:
        self.socket = socket_path(home)
        self._folder = home / VALKEY
        self._log = home / LOGS / "valkey.log"
        self._lock_file = home / SERVER_LOCK
        self._pid_file = self._folder / "valkey.pid"

    async def ensure(self) -> None:
        """Return when the server answers: the one that lives, or else a new one."""
        try:
            with anyio.fail_after(STARTING):
                await self._until_ready()
        except TimeoutError as error:
            raise ServerSilent(self._pid(), self._log) from error

    async def stop(self) -> None:
        """Return when the server is gone; it is asked first and killed only if it won't go."""
        for urge, patience in ((signal.SIGTERM, ENDING), (signal.SIGKILL, KILLED)):
            with anyio.move_on_after(patience):
                await self._until_gone(urge)
                return

    async def _until_ready(self) -> None:
        launched = False
        while not await answers(self.socket, patience=PING):
            with Lock(self._lock_file) as lock:
                if not lock.take():  # it loads, or a killed server's last child still writes
                    await anyio.sleep(POLL)
                elif launched:
                    raise ServerFailed(self._last_words(), self._log)
                else:
                    await self._launch(lock)
                    launched = True

    async def _launch(self, lock: Lock) -> None:
        self._pid_file.unlink(missing_ok=True)
        with tempfile.TemporaryFile() as said:  # not a pipe: under uvloop the server keeps its end
            done = await anyio.run_process(
                [find_binary(), *self._options()],
                stdout=said,
                stderr=subprocess.STDOUT,
                check=False,
                pass_fds=[lock.fileno()],
            )
            said.seek(0)
            if done.returncode:
                raise ServerFailed(_last_line(said.read().decode(errors="replace")), self._log)

    def _options(self) -> list[str]:
        options = {
            "daemonize": "yes",
            "pidfile": self._pid_file,
            "logfile": self._log,
            "dir": self._folder,
            "port": "0",
            "unixsocket": self.socket,
            "unixsocketperm": "700",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [word for name, value in options.items() for word in (f"--{name}", str(value))]

    async def _until_gone(self, urge: signal.Signals) -> None:
        urged = None
        while self._lives():
            pid = self._pid()
            if pid and pid != urged:
                with suppress(ProcessLookupError):
                    os.kill(pid, urge)
                urged = pid
            await anyio.sleep(POLL)

    def _lives(self) -> bool:
        with Lock(self._lock_file) as lock:
            return not lock.take()

    def _pid(self) -> int | None:
        with suppress(OSError, ValueError):
            return int(self._pid_file.read_text())
        return None

    def _last_words(self) -> str:
        with suppress(OSError):
            return _last_line(self._log.read_text(errors="replace"))
        return ""


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]
