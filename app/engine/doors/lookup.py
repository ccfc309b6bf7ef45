"""Finding a run in Redis by its id: where it stands, what it left, how to stop it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from app.engine import wire
from app.engine.clock import LATEST_MS, to_ms
from app.engine.doors.events import Event
from app.engine.envelope import NOT_KEPT, Envelope, Kept, Payload
from app.engine.errors import BadPayload, RemoteError, UnknownRun
from app.engine.failure import FailedAttempt, unpack_failure
from app.engine.job import Job
from app.engine.outcome import Ending, RunStatus
from app.engine.redis import keys
from app.engine.redis.steps import answering
from app.engine.redis.store import Store

_PARKED_FROM = float(LATEST_MS)  # where park.lua puts runs
_AT_ONCE = 100  # results read in one go
_KEEP_CANCELLED = timedelta(hours=1)  # as long as results are kept by default


class _Said(msgspec.Struct):
    """All of a result that is looked at in a list."""

    status: str = ""


_STATUS = msgspec.msgpack.Decoder(_Said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that is known of a run at one moment."""

    status: RunStatus
    payload: Payload | None = None
    kept: Kept | None = None
    error: BaseException | None = None
    due_ms: float | None = None
    attempt: int = 0
    worker: str = ""
    """Who runs it now."""


class Lookup:
    """Reads runs; shared by a client and its handles."""

    def __init__(
        self, store: Store, codec: Envelope, jobs: Mapping[str, Job[Any, ..., Any]]
    ) -> None:
        """`jobs` gives results their types; a job not among them gives plain values."""
        self.store = store
        self._codec = codec
        self._jobs = jobs

    async def trace(self, run_id: str) -> Trace:
        """Where the run stands; `UNKNOWN` when nothing is kept of it."""
        payload, lease, attempts, result, finished, failures = await self._read(run_id)
        if payload is not None:
            return await self._waiting(run_id, payload, lease, int(attempts or 0))
        if failures and not finished and not self._is_no_failure(result):
            return Trace(status=RunStatus.DEAD, error=_last(failures).error)
        if result is not None:
            return self._over(self._codec.open_result(result))
        return Trace(status=RunStatus(finished.decode()) if finished else RunStatus.UNKNOWN)

    def _is_no_failure(self, result: bytes | None) -> bool:
        """Whether it succeeded or was cancelled: only strange bytes put there later have failed."""
        try:
            over = None if result is None else self._over(self._codec.open_result(result))
        except BadPayload:
            return False
        return over is not None and over.status is not RunStatus.DEAD

    async def _read(self, run_id: str) -> Any:
        async with answering(), self.store.redis.pipeline(transaction=True) as pipe:
            pipe.mget(
                keys.payload(run_id),
                keys.lease(run_id),
                keys.attempts(run_id),
                keys.result(run_id),
                keys.finished(run_id),
            )
            pipe.hgetall(keys.dead_letter(run_id))
            values, letter = await pipe.execute()
        return *values, letter

    async def _waiting(
        self, run_id: str, sealed: bytes, lease: bytes | None, attempt: int
    ) -> Trace:
        payload = self._opened(sealed)
        worker, number = _holder(lease or b"")
        if lease is not None and worker != keys.SUSPECT:
            number = max(attempt, number)
            return Trace(status=RunStatus.RUNNING, payload=payload, attempt=number, worker=worker)
        due = await self._due(run_id, self._queue_of(payload)) if payload else None
        status = self._status_at(due) if due is not None else RunStatus.QUEUED
        return Trace(status=status, payload=payload, due_ms=due, attempt=attempt)

    def _queue_of(self, payload: Payload) -> str:
        """Its queue; a plain arq client's payload doesn't say, but its job does."""
        job = self._jobs.get(payload.f)
        return payload.q or (job.queue if job else "")

    def _opened(self, sealed: bytes) -> Payload | None:
        try:
            return self._codec.open_payload(sealed)
        except BadPayload:
            return None

    async def _due(self, run_id: str, queue: str) -> float | None:
        async with answering():
            due: float | None = await self.store.redis.zscore(keys.queue(queue), run_id)
        return due

    def _status_at(self, due_ms: float) -> RunStatus:
        if due_ms >= _PARKED_FROM:
            return RunStatus.PARKED
        is_due = due_ms < to_ms(self.store.clock.now()) + 1  # ours are whole ms, the server's not
        return RunStatus.QUEUED if is_due else RunStatus.DEFERRED

    def _over(self, kept: Kept) -> Trace:
        if kept.s:
            return Trace(status=RunStatus.SUCCEEDED, kept=kept, attempt=kept.t)
        error = wire.unpack(kept.r)
        cancelled = isinstance(error, asyncio.CancelledError)
        status = RunStatus.CANCELLED if cancelled else RunStatus.DEAD
        return Trace(status=status, kept=kept, error=error, attempt=kept.t)

    def value_of(self, kept: Kept, job: Job[Any, ..., Any] | None = None) -> Any:
        """The result, by the annotation of the job that returned it; plain if we know neither."""
        job = job or self._jobs.get(kept.f)
        try:
            value = job.signature.result.decode(kept.r) if job else wire.unpack(kept.r)
            if isinstance(value, RemoteError) and value.kind == NOT_KEPT:
                raise value  # a job that may return anything has not returned this
            return value
        except Exception as error:  # a dataclass that checks itself may raise anything
            raise UnknownRun(f"{kept.id}: {_why_unread(kept, error)}") from error

    async def result_statuses(self, run_ids: Sequence[str]) -> dict[str, str]:
        """What results say of themselves as their `status`, of runs whose result is kept."""
        found = dict[str, str]()
        for start in range(0, len(run_ids), _AT_ONCE):
            some = run_ids[start : start + _AT_ONCE]
            async with answering():
                sealed = await self.store.redis.mget([keys.result(each) for each in some])
            for run_id, each in zip(some, sealed, strict=True):
                if each is not None and (status := self._status_in(each)):
                    found[run_id] = status
        return found

    def _status_in(self, sealed: bytes) -> str:
        try:
            return _STATUS.decode(self._codec.open_result(sealed).r).status
        except (BadPayload, *wire.UNREADABLE):  # many results are no such thing
            return ""

    async def cancel(self, run_id: str) -> bool:
        """Stop a run; False when it is over or unknown. Leaves nothing for an unknown id."""
        async with answering():
            sealed = await self.store.redis.get(keys.payload(run_id))
        payload = self._opened(sealed) if sealed else None
        if payload is None:
            return False
        answer = await self.store.cancel(
            run_id,
            self._queue_of(payload),
            keep=_KEEP_CANCELLED,
            result=self._cancelled_result(run_id, payload),
            key=payload.uk,
            event=self._cancelled_event(run_id, payload),
        )
        return answer != "gone"

    def _cancelled_result(self, run_id: str, payload: Payload) -> bytes:
        now = to_ms(self.store.clock.now())
        return self._codec.seal_result(
            Kept(
                t=0,
                f=payload.f,
                a=payload.a,
                k=payload.k,
                et=payload.et,
                s=False,
                r=msgspec.Raw(wire.pack(asyncio.CancelledError())),
                st=now,
                ft=now,
                q=self._queue_of(payload),
                id=run_id,
            )
        )

    def _cancelled_event(self, run_id: str, payload: Payload) -> bytes:
        now = self.store.clock.now_ms()
        event = Event(
            run_id=run_id,
            job=payload.f,
            queue=payload.q,
            ending=Ending.CANCELLED,
            attempt=0,
            enqueued=payload.et,
            due=payload.sf,
            started=now,
            ended=now,
            owner=payload.u,
            parent=payload.p,
        )
        return event.pack()


def _holder(lease: bytes) -> tuple[str, int]:
    """Who runs it, and which attempt this is: of a first one only its lease tells."""
    worker, _, number = lease.decode(errors="replace").rpartition(":")  # arq's is a bare `1`
    return worker, int(number) if number.isdigit() else 0


def _why_unread(kept: Kept, error: Exception) -> str:
    """The committer's note, if it left one in the result's place."""
    try:
        note = wire.unpack(kept.r)
    except wire.UNREADABLE:
        note = None
    return str(note if isinstance(note, RemoteError) else error)


def _last(letter: Mapping[bytes, bytes]) -> FailedAttempt:
    failures = [value for name, value in letter.items() if name.startswith(b"failure:")]
    return max(
        map(unpack_failure, failures or [b""]), key=lambda each: (each.ended_at, each.number)
    )
