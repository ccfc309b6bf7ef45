"""Asking a server whether it can be trusted with runs, before any is taken from it.

INFO tells, so no right to CONFIG is needed. Whether strangers are let in is tried: a connection
without a password, where the server is not on this machine. A certificate of ours counts as one.
"""

import ipaddress
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import anyio
from redis.exceptions import NoPermissionError, RedisError

from app.engine.doors.client import Client
from app.engine.errors import Unavailable, UnfitServer
from app.engine.fitness import Fitness, ServerFacts, objections_to
from app.engine.redis.connection import Connections
from app.engine.redis.steps import answering

log = logging.getLogger(__name__)

_KNOCK = 2.0  # s; who takes longer to let a stranger in does not
_SETTING = "STEWARD_REDIS__ACCEPT"


async def examine(client: Client) -> Fitness:
    """What speaks against the client's server; raises `Unavailable`."""
    redis = client.store.redis
    async with answering():
        try:
            info: Mapping[str, object] = await redis.info()
        except NoPermissionError:
            return Fitness(unasked="its user may not call INFO: give them +info")
    facts = ServerFacts.of_info(info, is_open_to_others=await _is_open_to_others(redis))
    return Fitness(tuple(objections_to(facts)))


async def refuse_unfit(client: Client, *, accepted: Collection[str] = ()) -> None:
    """Raise `UnfitServer` for what speaks against the server, unless it was accepted."""
    fitness = await examine(client)
    if fitness.unasked:
        log.warning("Redis can't be checked: %s", fitness.unasked)
    if refused := fitness.beyond(accepted):
        raise UnfitServer([(each.flaw.value, each.line) for each in refused], setting=_SETTING)


async def warn_of_unfit(client: Client) -> None:
    """Say in the log what speaks against the server, which others have chosen."""
    with suppress(Unavailable):
        for each in (await examine(client)).objections:
            log.warning("this Redis is risky: %s", each.line)


async def _is_open_to_others(redis: Connections) -> bool:
    async with answering():
        address = await redis.line.peer()
    if not address or ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return False
    return await _lets_strangers_in(redis.connection_pool)


async def _lets_strangers_in(pool: Any) -> bool:
    if pool.connection_kwargs.get("ssl_certfile"):
        return False
    nobody = {"username": None, "password": None, "credential_provider": None}
    connection = pool.connection_class(**{**pool.connection_kwargs, **nobody})
    try:
        with anyio.fail_after(_KNOCK):
            await connection.connect()
            await connection.send_command("PING")
            await connection.read_response()
    except (RedisError, OSError, TimeoutError):
        return False
    finally:
        await connection.disconnect(nowait=True)
    return True
