"""Runs that ended for good without success: kept whole, to be read, run again or dropped.

They are grouped by what they died of (see cause), so that a fault that killed a thousand runs is
one line to look at, and one command to put right once it is mended.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec

from app.engine.attempt import origin_of
from app.engine.cause import Cause, unpack_cause
from app.engine.clock import from_ms, to_ms
from app.engine.doors.client import Client
from app.engine.doors.handle import Handle
from app.engine.errors import BadArguments, BadPayload, UnknownRun
from app.engine.failure import FailedAttempt, unpack_failure
from app.engine.redis import keys
from app.engine.redis.steps import answering
from app.engine.run import NewRun, new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead run: what it was, and every attempt's error."""

    id: str
    job: str
    queue: str
    died_at: datetime
    payload: bytes
    group: str
    """The short name of what it died of: others may share it."""
    attempts: tuple[FailedAttempt, ...]

    @property
    def last(self) -> FailedAttempt:
        """The attempt it died of."""
        return self.attempts[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadGroup:
    """All that died of one cause."""

    id: str
    count: int
    job: str
    kind: str
    """The error's class, by its full name."""
    place: str
    """The function that raised it, or what the error said in general."""
    first_at: datetime
    last_at: datetime


class DeadLetters:
    """The dead letters of a client's Redis."""

    def __init__(self, client: Client) -> None:
        """Reads and writes over the client's connections."""
        self._client = client
        self._redis = client.store.redis

    async def count(self) -> int:
        """How many there are."""
        return await self._client.store.dead_count()

    async def list(self, *, limit: int = 50, group: str = "") -> Sequence[DeadLetter]:
        """The latest, newest first; those of one group, if told."""
        found = [await self._read(id) for id in await self._ids(limit, group)]
        return [letter for letter in found if letter is not None]

    async def groups(self) -> Sequence[DeadGroup]:
        """What they died of: the cause with the most deaths first."""
        async with answering():
            causes: Any = await cast("Any", self._redis.hgetall(keys.DEAD_GROUPS))
        found = [await self._group(id.decode(), unpack_cause(told)) for id, told in causes.items()]
        groups = [each for each in found if each is not None]
        return sorted(groups, key=lambda each: (each.count, each.last_at), reverse=True)

    async def _group(self, id: str, cause: Cause) -> DeadGroup | None:
        key = keys.dead_group(id)
        async with answering(), self._redis.pipeline(transaction=True) as pipe:
            pipe.zcard(key)
            pipe.zrange(key, 0, 0, withscores=True)
            pipe.zrange(key, -1, -1, withscores=True)
            count, first, last = cast("Any", await pipe.execute())
        if not count:
            return None
        return DeadGroup(
            id=id,
            count=count,
            job=cause.job,
            kind=cause.kind,
            place=cause.place,
            first_at=from_ms(first[0][1]),
            last_at=from_ms(last[0][1]),
        )

    async def _ids(self, limit: int, group: str) -> Sequence[str]:
        key = keys.dead_group(group) if group else keys.DEAD
        async with answering():
            ids = await self._redis.zrevrange(key, 0, limit - 1)
        return [id.decode(errors="replace") for id in ids]

    async def get(self, run_id: str) -> DeadLetter:
        """One of them; raises `UnknownRun`."""
        letter = await self._read(run_id)
        if letter is None:
            raise UnknownRun(f"no dead letter has the id {run_id}")
        return letter

    async def retry(self, run_id: str) -> Handle[Any]:
        """Run it again from its first attempt, as a new run that names this one as its parent.

        What an arq project wrote is put back as it is: it has no place for a parent.
        Raises `UnknownRun`, or `BadPayload` when what it holds was never a payload of ours.
        """
        letter = await self.get(run_id)
        is_theirs = letter.queue.startswith(keys.THEIRS)
        run = _as_it_was(letter) if is_theirs else self._resealed(letter)
        if not await self._client.store.replay(run_id, run):
            raise UnknownRun(f"somebody else retried or dropped {run_id}")
        return Handle(run.id, is_new=True, _lookup=self._client.lookup)

    async def retry_group(self, group: str) -> Sequence[Handle[Any]]:
        """Run all of a group again, the longest dead first, each as `retry` does.

        One that somebody else takes meanwhile is left out. Raises `BadPayload` at the first that
        was never a payload of ours; those before it run.
        """
        handles = list[Handle[Any]]()
        for run_id in reversed(await self._ids(0, _named(group))):
            with suppress(UnknownRun):
                handles.append(await self.retry(run_id))
        return handles

    async def drop(self, run_id: str) -> bool:
        """Forget it for good, so that its id is free again; False when it is not there."""
        return bool(await self._client.store.drop([run_id]))

    async def drop_group(self, group: str) -> int:
        """Forget all of a group for good; returns how many there were."""
        return await self._client.store.drop(await self._ids(0, _named(group)))

    def _resealed(self, letter: DeadLetter) -> NewRun:
        payload = self._client.codec.open_payload(letter.payload)
        if payload.id not in ("", letter.id):
            raise BadPayload(f"{letter.id} holds the payload of {payload.id}")
        now = to_ms(self._client.store.clock.now())
        origin = payload.o or origin_of(letter.id, payload.et)
        fresh = msgspec.structs.replace(
            payload, uk="", id=new_id(), q=letter.queue, p=letter.id, et=now, o=origin, x=0
        )
        sealed = self._client.codec.seal_payload(fresh)
        return NewRun(id=fresh.id, queue=letter.queue, payload=sealed, is_counted=True)

    async def _read(self, run_id: str) -> DeadLetter | None:
        async with answering():
            fields: Any = await cast("Any", self._redis.hgetall(keys.dead_letter(run_id)))
        return _letter(run_id, fields) if fields else None


def _as_it_was(letter: DeadLetter) -> NewRun:
    return NewRun(id=new_id(), queue=letter.queue, payload=letter.payload, is_counted=True)


def _letter(run_id: str, fields: Mapping[bytes, bytes]) -> DeadLetter:
    numbers = range(1, 1 + sum(name.startswith(b"failure:") for name in fields))
    return DeadLetter(
        id=run_id,
        job=fields.get(b"job", b"?").decode(errors="replace"),
        queue=fields.get(b"queue", b"?").decode(errors="replace"),
        died_at=from_ms(float(fields.get(b"died", 0))),
        payload=fields.get(b"payload", b""),
        group=fields.get(b"group", b"").decode(errors="replace"),
        attempts=tuple(unpack_failure(fields.get(b"failure:%d" % n, b"")) for n in numbers),
    )


def _named(group: str) -> str:
    """The group's name, which an empty one is not: that would mean all."""
    if not group:
        raise BadArguments("a group of dead letters has a name")
    return group
