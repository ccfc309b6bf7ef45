"""Looking at everything at once: queues, workers, and the runs that wait or run."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from app.engine.clock import LATEST_MS, from_ms
from app.engine.doors.lookup import Lookup, Trace
from app.engine.errors import UnknownRun
from app.engine.outcome import RunStatus
from app.engine.redis import keys
from app.engine.redis.steps import answering
from app.engine.redis.store import Store

_SCAN = 500  # keys a step; SCAN never blocks the server for long


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How a queue stands."""

    name: str
    ready: int
    running: int
    deferred: int
    parked: int
    oldest_wait: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """A live worker, as its own sign of life describes it."""

    id: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    running: int
    started_ms: int
    blocked_ms: int = 0

    @property
    def started_at(self) -> datetime:
        """When it began, by its own clock."""
        return from_ms(self.started_ms)

    @property
    def blocked(self) -> timedelta:
        """How long a job had blocked it when it said this; zero is as it should be."""
        return timedelta(milliseconds=self.blocked_ms)

    def pack(self) -> bytes:
        """As the worker writes it under its key."""
        return msgspec.json.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> "WorkerSeen | None":
        """None for what no worker wrote."""
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, RecursionError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A run that waits or runs."""

    id: str
    job: str
    queue: str
    status: RunStatus
    due_at: datetime
    enqueued_at: datetime | None
    attempt: int
    worker: str = ""
    """Who runs it now."""
    waits_for: str = ""
    """The limit that has no room for it; it was due before, and goes on once there is some."""


class Overview:
    """Reads the whole picture; costs a few commands a queue, none of them KEYS."""

    def __init__(self, store: Store, lookup: Lookup, queues: Collection[str]) -> None:
        """`queues` are the ones to look at."""
        self._store = store
        self._lookup = lookup
        self._queues = tuple(queues)

    async def queues(self) -> list[QueueDepth]:
        """Every queue, in the order they were declared."""
        return [await self._depth(name) for name in self._queues]

    async def _depth(self, name: str) -> QueueDepth:
        ready, running, deferred, parked, waited = await self._store.depth(name)
        return QueueDepth(
            name=name,
            ready=ready,
            running=running,
            deferred=deferred,
            parked=parked,
            oldest_wait=waited,
        )

    async def workers(self) -> list[WorkerSeen]:
        """Every worker whose sign of life is fresh, the oldest first."""
        redis = self._store.redis
        async with answering():
            found = cast("Any", redis.scan_iter(keys.WORKER + "*", count=_SCAN))
            names: list[bytes] = [each async for each in found]
            values: list[bytes | None] = await redis.mget(names) if names else []
        seen = (WorkerSeen.unpack(value) for value in values if value is not None)
        return sorted((each for each in seen if each), key=lambda each: each.started_ms)

    async def worker(self, worker_id: str) -> WorkerSeen | None:
        """One worker, if its sign of life is fresh."""
        async with answering():
            value: bytes | None = await self._store.redis.get(keys.worker(worker_id))
        return None if value is None else WorkerSeen.unpack(value)

    async def runs(
        self,
        *,
        status: RunStatus | None = None,
        queue: str | None = None,
        limit: int = 50,
    ) -> list[RunInfo]:
        """Runs that wait or run, those due first; at most `limit` are looked at a queue."""
        found: list[RunInfo] = []
        for name in self._queues:
            if queue in (None, name):
                found += await self._in_queue(name, limit)
        wanted = (each for each in found if status in (None, each.status))
        return sorted(wanted, key=lambda each: each.due_at)[:limit]

    async def run(self, run_id: str) -> RunInfo:
        """One run that waits or runs; raises `UnknownRun` for any other."""
        trace = await self._lookup.trace(run_id)
        payload = trace.payload
        if payload is None:
            raise UnknownRun(f"no run {run_id} waits or runs")
        due = trace.due_ms or payload.sf or payload.et
        (limit,) = await self._limits([run_id])
        return _info(run_id, payload.q, due, trace, limit)

    async def _limits(self, run_ids: Sequence[str]) -> list[str]:
        """The limit that each of these waits for, or nothing."""
        async with answering():
            redis: Any = self._store.redis
            notes: list[bytes | None] = await redis.hmget(keys.PUT_OFF, run_ids) if run_ids else []
        return [_limit_in(note) if note else "" for note in notes]

    async def _in_queue(self, name: str, limit: int) -> list[RunInfo]:
        async with answering():
            entries: Iterable[Any] = await self._store.redis.zrange(
                keys.queue(name), 0, limit - 1, withscores=True
            )
        pairs = [(member.decode(errors="replace"), due) for member, due in entries]
        limits = await self._limits([id for id, _ in pairs])
        return [
            _info(id, name, due, await self._lookup.trace(id), limit)
            for (id, due), limit in zip(pairs, limits, strict=True)
        ]


def _limit_in(note: bytes) -> str:
    """The line that a run stands in, as admit.lua has noted it last."""
    try:
        *_, line = msgspec.msgpack.decode(note)
        return bytes(line).decode(errors="replace") if isinstance(line, bytes) else str(line)
    except (msgspec.DecodeError, ValueError, TypeError):
        return "?"


def _info(run_id: str, queue: str, due_ms: float, trace: Trace, limit: str) -> RunInfo:
    payload = trace.payload
    return RunInfo(
        id=run_id,
        job=payload.f if payload else "?",
        queue=queue,
        status=trace.status,
        waits_for=limit,
        due_at=from_ms(max(0.0, min(due_ms, LATEST_MS))),
        enqueued_at=from_ms(payload.et) if payload else None,
        attempt=trace.attempt,
        worker=trace.worker,
    )
