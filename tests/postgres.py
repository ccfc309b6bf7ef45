"""A PostgreSQL for tests: one server for all processes of a test session, a database for each test.

The server is Debian's or whatever is on PATH, without fsync, on a socket in a folder of its own. As
it refuses to run as root, it runs as `nobody` then. Who needs it first starts it, who leaves last
stops it; each holds a shared lock meanwhile, as the users of a home's Valkey do.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, cast

from anyio import fail_after

from app.storage.database import Database

_ROOT, _NOBODY = 0, 65_534
_DEBIAN = Path("/usr/lib/postgresql")
_BY_FILE = "STRATEGY file_copy"  # ten times as quick as the usual one
_EMPTY = """
DO $$
DECLARE
    each record;
BEGIN
    SET LOCAL session_replication_role = replica;   -- no foreign key minds the order
    FOR each IN SELECT relname, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
    LOOP
        IF each.relkind = 'S' THEN
            PERFORM setval(quote_ident(each.relname), 1, false);
        ELSIF each.relname <> 'alembic_version' THEN
            EXECUTE format('DELETE FROM %I', each.relname);
        END IF;
    END LOOP;
END $$
"""
_WITHIN = 60.0  # s: a busy machine takes its time to make a cluster
_SERVER = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "autovacuum": "off",
    "shared_buffers": "32MB",
}


def find_binaries() -> Path | None:
    """Where initdb and postgres are; None when they are not installed."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(_DEBIAN.glob("*/bin"), key=lambda each: int(each.parent.name), reverse=True)
    return next((each for each in folders if (each / "postgres").exists()), None)


class Server:
    """A server that runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._free = list[str]()

    def url(self, name: str) -> str:
        """The URL of a database of it."""
        return f"postgresql://postgres@/{name}?host={self.folder}"

    async def execute(self, *statements: str, database: str = "postgres") -> None:
        """Do this behind everybody's back."""
        import asyncpg

        connect = cast("Callable[..., Awaitable[Any]]", asyncpg.connect)
        with fail_after(_WITHIN):
            connection = await connect(self.url(database))
            try:
                for each in statements:
                    await connection.execute(each)
            finally:
                await connection.close()

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[str]:
        """The URL of a database with every table and no rows, for as long as the block lasts.

        Emptied, it serves again: that takes a tenth of the time that another one takes.
        """
        name = self._free.pop() if self._free else await self._migrated()
        yield self.url(name)
        await self.execute(_EMPTY, database=name)
        self._free.append(name)

    @asynccontextmanager
    async def empty(self, options: str = "") -> AsyncGenerator[str]:
        """The URL of a database without any table."""
        name = f"test_{token_hex(8)}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE template0 {_BY_FILE} {options}")
        try:
            yield self.url(name)
        finally:
            await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _migrated(self) -> str:
        name = f"migrated_{token_hex(8)}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE template0 {_BY_FILE}")
        async with Database.open(self.url(name)) as database:
            await database.migrate()
        return name


@contextmanager
def shared_server(shared: Path, binaries: Path) -> Generator[Server]:
    """The server of all who share this folder, for as long as the block lasts."""
    link = shared / "postgres"
    with (shared / "postgres.users").open("w") as users:
        with _locked(shared / "postgres.start"):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not link.is_symlink():
                link.symlink_to(_start(binaries))
        try:
            yield Server(link.readlink())
        finally:
            with _locked(shared / "postgres.start"):
                if _is_last(users):
                    _stop(link.readlink())
                    link.unlink()


def _start(binaries: Path) -> Path:
    """Make a cluster and its server; returns its folder, with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="steward-pg-"))
    who: dict[str, Any] = {}
    if os.geteuid() == _ROOT:
        os.chown(folder, _NOBODY, _NOBODY)
        who = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
    make = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    options = ["-k", str(folder), *(f"-c{key}={value}" for key, value in _SERVER.items())]
    start = ["-D", "data", "-w", "-l", "log", "-o", " ".join(options), "start"]
    quiet: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL} | who
    try:
        for words in (["initdb", "-D", "data", *make], ["pg_ctl", *start]):
            program = [str(binaries / words[0]), *words[1:]]
            subprocess.run(program, check=True, timeout=_WITHIN, **quiet)
    except BaseException:
        print(*(each.read_text() for each in folder.glob("log")), file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _stop(folder: Path) -> None:
    """At once: nobody will read it again."""
    pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_last(users: IO[str]) -> bool:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
