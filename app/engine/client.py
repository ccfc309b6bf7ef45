"""Where application code, schedules and jobs leave work for the workers.

    async with Client.open(redis_settings, codec) as client:
        handle = await client.enqueue(send_notification, 7, "Hi", "...")
        receipt = await handle.result(within=seconds(5))

A call is checked before anything is written. What comes back is a `Handle`, or an error that says
why not. When the connection breaks in between, the same bytes are sent again until `patience` runs
out: Redis knows the id and stores the run once.
"""

import random
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from typing import Any, ParamSpec, TypeVar, cast

import anyio
from arq.connections import RedisSettings

from app.engine.attempt import current_attempt
from app.engine.clock import Clock, seconds, span_ms, to_ms
from app.engine.connection import open_redis
from app.engine.envelope import Envelope, Payload
from app.engine.errors import BadArguments, Unavailable, UnknownJob
from app.engine.handle import Handle
from app.engine.job import Call, Job, Options
from app.engine.lookup import Lookup
from app.engine.outcome import RunStatus
from app.engine.overview import Overview, QueueDepth, RunInfo, WorkerSeen
from app.engine.run import NewRun, Receipt, new_id
from app.engine.store import Store

P = ParamSpec("P")
R = TypeVar("R")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # s between two tries to reach Redis


class Client:
    """Enqueues runs and finds them again; safe to share between tasks."""

    def __init__(
        self,
        store: Store,
        codec: Envelope,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]] | None = None,
        queues: Collection[str] | None = None,
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        """With `jobs` and `queues` given, a call of any other is refused."""
        self.store = store
        self.codec = codec
        self.lookup = Lookup(store, codec, jobs or {})
        self.overview = Overview(store, self.lookup, queues or ())
        self._jobs = jobs
        self._queues = queues
        self._patience = patience.total_seconds()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        redis: RedisSettings,
        codec: Envelope,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]] | None = None,
        queues: Collection[str] | None = None,
        clock: Clock | None = None,
    ) -> "AsyncGenerator[Client]":
        """A client of a server that runs; its connections are closed on the way out."""
        async with open_redis(redis) as connection:
            yield cls(Store(connection, clock or Clock()), codec, jobs=jobs, queues=queues)

    async def enqueue(self, job: Job[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Put one run on its job's queue.

        Raises `CallRefused` for what can never run, and `Unavailable` when Redis did not confirm.
        """
        return await self.enqueue_call(Call(job, args, kwargs))

    async def enqueue_call(self, call: Call[R]) -> Handle[R]:
        """The same for a `Call`."""
        return (await self.enqueue_many([call]))[0]

    async def enqueue_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """Put many runs on their queues in a few round trips; the handles are in the calls' order.

        All calls are checked first: one that can't be made refuses them all.
        """
        wanted = list(calls)
        receipts = await self._stored([self.prepare(call) for call in wanted])
        pairs = zip(wanted, receipts, strict=True)
        return [Handle(each.id, each.is_new, self.lookup, call.job) for call, each in pairs]

    def run(self, run_id: str) -> Handle[Any]:
        """The run of this id, whether it exists or not."""
        return Handle(run_id, is_new=False, _lookup=self.lookup)

    async def ping(self) -> timedelta:
        """How long Redis takes to answer; raises `Unavailable`."""
        start = monotonic()
        await self.store.server_time()
        return seconds(monotonic() - start)

    async def queues(self) -> list[QueueDepth]:
        """How every declared queue stands, the most urgent first."""
        return await self.overview.queues()

    async def workers(self) -> list[WorkerSeen]:
        """Every live worker."""
        return await self.overview.workers()

    async def find(
        self, *, status: RunStatus | None = None, queue: str | None = None, limit: int = 50
    ) -> list[RunInfo]:
        """Runs that wait or run now, those due first."""
        return await self.overview.runs(status=status, queue=queue, limit=limit)

    def prepare(self, call: Call[Any]) -> NewRun:
        """Check a call and seal it, without writing anything; raises `CallRefused`."""
        job, options = _job_of(call), call.job.options
        self._refuse_unknown(job)
        payload = self._payload(call, options.id or new_id())
        return NewRun(
            id=payload.id,
            queue=job.queue,
            payload=self.codec.seal_payload(payload),
            at_ms=to_ms(options.at) if options.at else None,
            delay_ms=span_ms(options.delay) if options.delay else 0,
            key=options.key or "",
            held=options.held,
            is_counted=job.retry.attempts == 1,
        )

    def _payload(self, call: Call[Any], run_id: str) -> Payload:
        job, options, packed = call.job, call.job.options, call.packed()
        parent, now = current_attempt.get(), self.store.clock.now_ms()
        return Payload(
            f=job.name,
            a=packed.args,
            k=packed.kwargs,
            et=now,
            v=job.version,
            id=run_id,
            q=job.queue,
            sf=_scheduled_for(options, now),
            p=parent.run_id if parent else "",
            u=options.owner or (parent.owner if parent else "") or "",
            tp=options.trace or (parent.trace if parent else "") or "",
            uk=options.key or "",
        )

    def _refuse_unknown(self, job: Job[Any, ..., Any]) -> None:
        if self._jobs is not None and job.name not in self._jobs:
            raise UnknownJob(f"{job.name} is not among the registered jobs")
        if self._queues is not None and job.queue not in self._queues:
            raise BadArguments(f"{job.name}: no queue is called {job.queue!r}")

    async def _stored(self, runs: Sequence[NewRun]) -> list[Receipt]:
        give_up, pause, again = monotonic() + self._patience, _FIRST_PAUSE, False
        while True:
            try:
                return await self.store.enqueue(runs, again=again)
            except Unavailable:
                if monotonic() + pause > give_up:
                    raise
            again = True
            await anyio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, _LONGEST_PAUSE)


def _scheduled_for(options: Options, now: int) -> int:
    """The moment a run is for, in ms; 0 when that is now."""
    if options.at is not None:
        return max(0, to_ms(options.at))
    return now + span_ms(options.delay) if options.delay else 0


def _job_of(call: object) -> Job[Any, ..., Any]:
    """The job of a call; raises `UnknownJob` for anything else, such as a job's name."""
    job = cast("object", getattr(call, "job", None))
    if not isinstance(call, Call) or not isinstance(job, Job):
        raise UnknownJob(f"{job or call!r} is no job: enqueue what @job made, or a call of it")
    return cast("Job[Any, ..., Any]", job)
