"""The atomic steps as a worker takes them, for the tests of each."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app.engine import Attempt, Client, FailedAttempt, Job, seconds
from app.engine.cause import cause_of
from app.engine.clock import span_ms
from app.engine.doors.events import Event
from app.engine.ended import Buried, Completed, PutBack, SetAside
from app.engine.envelope import Payload
from app.engine.failure import pack_failure, unpack_failure
from app.engine.outcome import Ending
from app.engine.redis import keys
from app.engine.redis.store import Store
from app.engine.redis.suspects import Suspects
from app.engine.roles.running import Running
from app.engine.roles.trials import Trials
from app.engine.run import Claim, Claimed, Share
from tests.rights import asked

HOUR = timedelta(hours=1)
_DEAD = RuntimeError("dead")
LEASE = seconds(60)
QUEUES = ("urgent", "default", "idle")


async def claim(
    store: Store,
    worker: str = "w1",
    *,
    want: int = 10,
    queues: Sequence[str] = QUEUES,
    lease: timedelta = LEASE,
    mine: Sequence[str] | None = None,
) -> Claim:
    """Take what is due, as `worker` would."""
    shares = [Share(queue=name, most=want, lease=lease) for name in queues]
    return await store.claim(worker, want, shares, mine=mine)


async def claimed_ids(store: Store, worker: str = "w1", **options: Any) -> list[str]:
    """The ids of what a claim brought."""
    return [run.id for run in (await claim(store, worker, **options)).runs]


@asynccontextmanager
async def alive(store: Store, *workers: str, lease: timedelta = LEASE) -> AsyncGenerator[None]:
    """These workers live while the block lasts."""
    for worker in workers:
        await store.greet(worker, b"{}", lease)
    try:
        yield
    finally:
        for worker in workers:
            await dies(store, worker)


async def dies(store: Store, worker: str) -> None:
    """A worker's sign of life lapses, and a look at the heads of the queues is due."""
    await store.redis.delete(f"steward:worker:{worker}", *map(keys.claimed, QUEUES))


def event(run: Claimed, ending: Ending = Ending.SUCCEEDED) -> bytes:
    """What happened to a run."""
    return _event(run.id, run.queue, ending, run.attempt)


def cancelled_event(id: str, queue: str) -> bytes:
    """It was cancelled before it began."""
    return _event(id, queue, Ending.CANCELLED, 0)


def _event(id: str, queue: str, ending: Ending, attempt: int) -> bytes:
    now = 1_767_225_600_000
    event = Event(
        run_id=id,
        job="test.write",
        queue=queue,
        ending=ending,
        attempt=attempt,
        enqueued=now,
        started=now,
        ended=now,
        worker="w1",
    )
    return event.pack()


def failure(run: Claimed, error: BaseException) -> bytes:
    """What went wrong in an attempt."""
    now = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    return pack_failure(error, number=run.attempt, started_at=now, ended_at=now, worker="w1")


def read(failure: bytes) -> FailedAttempt:
    """The same, opened."""
    return unpack_failure(failure)


def completed(run: Claimed, *, keep: timedelta = HOUR, key: str = "") -> Completed:
    """It succeeded."""
    return Completed(
        run=run,
        ending="succeeded",
        result=b"result",
        keep_ms=span_ms(keep),
        key=key,
        event=event(run),
    )


def put_back(run: Claimed, delay: timedelta | None = None, *, is_charged: bool = True) -> PutBack:
    """It failed and goes back, or it is given back."""
    said = failure(run, RuntimeError(f"attempt {run.attempt}")) if is_charged else b""
    return PutBack(
        run=run,
        delay=delay,
        is_charged=is_charged,
        failure=said,
        event=event(run, Ending.RETRYING),
    )


def buried(
    run: Claimed, *, keep: timedelta = HOUR, key: str = "", error: Exception = _DEAD
) -> Buried:
    """It failed for good."""
    return Buried(
        run=run,
        job="test.write",
        result=b"result",
        keep_ms=span_ms(keep),
        failure=failure(run, error),
        cause=cause_of("test.write", error),
        key=key,
        event=event(run, Ending.DEAD),
    )


def set_aside(run: Claimed, name: str = "test.write", version: int = 1) -> SetAside:
    """Nobody here can run it."""
    return SetAside(run=run, name=name, version=version, event=event(run, Ending.PARKED))


def running(run: Claimed, job: Job[Any, ..., Any], **fields: Any) -> Running:
    """A run at work, as the runner prepares it."""
    none, no_names = msgspec.Raw(b"\x90"), msgspec.Raw(b"\x80")
    attempt = Attempt(
        run_id=run.id,
        job=job.name,
        queue=run.queue,
        number=run.attempt,
        attempts=job.retry.attempts,
        enqueued_ms=0,
        due_ms=0,
        deadline_ms=0,
        worker=run.worker,
    )
    known: dict[str, Any] = {
        "run": run,
        "payload": Payload(f=job.name, a=none, k=no_names, et=0),
        "job": job,
        "args": (),
        "kwargs": {},
        "attempt": attempt,
        "started_ms": 0,
    }
    return Running(**{**known, **fields})


def trials_of(store: Store, worker: str = "w1") -> Trials:
    """The trials that a worker holds."""
    return Trials(
        Suspects(store), worker=worker, queues=QUEUES, fatal=3, sign=seconds(1), lease=LEASE
    )


async def due_ms(store: Store, run: Claimed) -> float:
    """When its queue says it is due."""
    score = await store.redis.zscore(keys.queue(run.queue), run.id)
    assert score is not None
    return float(score)


async def put(client: Client, job: Job[Any, ..., Any], *args: Any) -> str:
    """Enqueue, and remember the id."""
    return (await client.enqueue(job, *args)).id


async def keys_of(client: Client) -> set[str]:
    """Every key there is, but for the cursors of claims: they go by themselves at once."""
    found: Any = await asked(client.store.redis, "KEYS", "*")
    names = {key.decode(errors="replace") for key in found}
    return {name for name in names if not name.startswith(keys.CLAIMED)}
