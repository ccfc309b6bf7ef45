"""A Valkey of the home's own, shared by everyone who uses the home.

Whoever needs it first starts it, and the last to leave stops it: `start`, a worker, a command,
application code, in any order and any number. Three locks in the home make that so:

    users.lock    shared by every user for as long as it uses the server
    server.lock   held by the server itself (see app.local.server)
    gate.lock     held while somebody comes or goes, so that nobody does both at once

    coming        through the gate: share users.lock; server.lock free? launch; wait for its PONG
    going         through the gate: can users.lock be had alone? then nobody is left: stop it

A user that is killed leaves all its locks. If it was the last one, the server stays behind, alive
and well; the next to come finds it by its lock, uses it, and stops it when leaving.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from arq.connections import RedisSettings

from app.local.errors import HomeBusy
from app.local.home import GATE_LOCK, USERS_LOCK, prepare_home
from app.local.lock import Lock
from app.local.server import ENDING, KILLED, STARTING, Server

AT_THE_GATE = STARTING + ENDING + KILLED  # seconds; the one before us may need them all

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_valkey(home: Path) -> AsyncGenerator[RedisSettings]:
    """Use the home's Valkey, started if need be and stopped if nobody else is left.

    Raises LocalError, in one line, if the home or the machine can't have one.
    """
    home = prepare_home(home)
    server = Server(home)
    with Lock(home / USERS_LOCK) as users:
        try:
            async with _gate(home):
                users.share()
                await server.ensure()
            yield RedisSettings(unix_socket_path=str(server.socket))
        finally:
            with anyio.CancelScope(shield=True):
                await _leave(home, users, server)


async def _leave(home: Path, users: Lock, server: Server) -> None:
    try:
        async with _gate(home):
            if users.take():
                await server.stop()
    except HomeBusy as error:
        log.warning("Valkey is left running: %s.", error)


@asynccontextmanager
async def _gate(home: Path) -> AsyncGenerator[None]:
    with Lock(home / GATE_LOCK) as gate:
        try:
            await gate.wait(AT_THE_GATE)
        except TimeoutError as error:
            raise HomeBusy(home) from error
        yield
