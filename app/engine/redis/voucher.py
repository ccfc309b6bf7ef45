"""Durable receipts: runs that are stored, vouched for once they would outlive their server.

After the runs comes another write, and the server says when it has that on its disk, and on how
many replicas' disks: the runs lie before it. All travels on one connection of its own, so nobody
else waits meanwhile, and a server that takes another's place in between is asked for the runs.
"""

import logging
from collections.abc import Sequence
from typing import Any, cast

from redis.exceptions import RedisError, ResponseError

from app.engine.errors import NoDurability, NotDurable, Unavailable
from app.engine.redis import keys
from app.engine.redis.connection import Connections
from app.engine.redis.steps import answering, source
from app.engine.redis.together import Together

log = logging.getLogger(__name__)

_WAIT_MS = 1500  # for disks and replicas; a disk that is well needs some milliseconds
_AT_ONCE = 1000  # ids in one step
_TOO_OLD = (
    "it can't say what is on its disk: that takes Valkey, Redis 7.2, or `appendfsync always` and"
    " the right to ask for it"
)


class Voucher:
    """Vouches for one client's runs."""

    def __init__(self, redis: Connections, *, replicas: int) -> None:
        """`replicas`: on how many disks they have to be, beside the server's own."""
        self._line = redis.vouching
        self._replicas = replicas
        self._source = source("vouch")
        self._waiting: tuple[Any, ...] = ()
        self._together = Together(self._carry)

    async def prepare(self) -> None:
        """See that the server can; raises `NoDurability`, and nothing was written."""
        if not self._waiting:
            self._waiting = await self._way()

    async def vouch(self, run_ids: Sequence[str]) -> None:
        """Return when these are safe; raises `NotDurable` for what may be stored all the same."""
        try:
            known = await self._together.send(run_ids)
        except Unavailable as error:
            raise NotDurable(str(error), run_ids=run_ids) from error
        if not all(known):
            raise NotDurable(
                "Redis has lost it again: another has taken its place", run_ids=run_ids
            )

    async def _carry(self, run_ids: Sequence[str]) -> Sequence[bool]:
        known: list[bool] = []
        for start in range(0, len(run_ids), _AT_ONCE):
            known += await self._asked(run_ids[start : start + _AT_ONCE])
        return known

    async def _asked(self, run_ids: Sequence[str]) -> list[bool]:
        ask = ("EVAL", self._source, 1, keys.VOUCHED, *run_ids)
        async with answering():
            known, reached = await self._line.calls(ask, self._waiting)
        if isinstance(known, RedisError):
            raise Unavailable(f"Redis: {known}")
        self._see(reached)
        return [bool(each) for each in known]

    def _see(self, reached: Any) -> None:
        """WAITAOF tells of its own disk and the replicas', WAIT of the replicas alone."""
        has_told_all = self._waiting[0] == "WAITAOF"
        own, replicas = cast("list[int]", reached) if has_told_all else (1, cast("int", reached))
        if not own or replicas < self._replicas:
            said = f"on its own disk: {bool(own)}, on replicas: {replicas} of {self._replicas}"
            raise Unavailable(f"Redis did not confirm in time that it is safe ({said})")

    async def _way(self) -> tuple[Any, ...]:
        async with answering():
            try:
                await self._line.call("WAITAOF", 1, 0, 1)
            except ResponseError as error:
                if "unknown command" not in str(error):
                    raise NoDurability(f"this Redis: {error}") from error
            else:
                return ("WAITAOF", 1, self._replicas, _WAIT_MS)
            if not await self._syncs_always():
                raise NoDurability(f"this Redis: {_TOO_OLD}")
        log.warning("this Redis has no WAITAOF: durable receipts rely on `appendfsync always`")
        return ("WAIT", self._replicas, _WAIT_MS)

    async def _syncs_always(self) -> bool:
        try:
            told: Any = await self._line.call("CONFIG", "GET", "append*")
        except ResponseError:
            return False
        if isinstance(told, dict):
            options = cast("dict[bytes, bytes]", told)
        else:  # so it comes in RESP2
            flat = cast("list[bytes]", told)
            options = dict(zip(flat[::2], flat[1::2], strict=True))
        return options.get(b"appendonly") == b"yes" and options.get(b"appendfsync") == b"always"
