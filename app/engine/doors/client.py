"""Where application code, schedules and jobs leave work for the workers.

    async with Client.open(redis_settings, codec) as client:
        handle = await client.enqueue(send_notification, 7, "Hi", "...")
        receipt = await handle.result(within=seconds(5))

A call is checked before anything is written. What comes back is a `Handle`, or an error that says
why not. When the connection breaks in between, the same bytes are sent again until `patience` runs
out: Redis knows the id and stores the run once.
"""

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, ParamSpec, TypeVar

import anyio
from arq.connections import RedisSettings

from app.engine.clock import Clock, seconds
from app.engine.doors.debouncer import Debouncer
from app.engine.doors.handle import Handle
from app.engine.doors.lookup import Lookup
from app.engine.doors.overview import Overview, QueueDepth, RunInfo, WorkerSeen
from app.engine.doors.sealer import Sealer
from app.engine.doors.sender import Sender
from app.engine.envelope import Envelope
from app.engine.errors import DeclarationError, NotDurable
from app.engine.job import Call, Job
from app.engine.outcome import RunStatus
from app.engine.redis.arrivals import CHUNK
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from app.engine.redis.voucher import Voucher
from app.engine.run import NewRun

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = timedelta(seconds=2.5)
"""Longer than a silent server needs to be found out, and short for whoever waits for a receipt."""


@dataclass(frozen=True, slots=True)
class Durable:
    """What a durable receipt waits for: the server's disk, and those of so many replicas."""

    replicas: int = 0


class Client:
    """Enqueues runs and finds them again; safe to share between tasks."""

    def __init__(
        self,
        store: Store,
        codec: Envelope,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]] | None = None,
        queues: Collection[str] | None = None,
        room: Mapping[str, int] | None = None,
        patience: timedelta = PATIENCE,
        durable: Durable | None = None,
    ) -> None:
        """With `jobs` and `queues` given, a call of any other is refused.

        `room`: how many runs a queue may hold, for queues that have a limit. `patience`: how long
        an enqueue may take, however often it has to be sent. `durable`: every receipt is, as told.
        """
        if queues is not None and (unknown := set(room or ()).difference(queues)):
            raise DeclarationError(
                f"no queue is called {min(unknown)!r}, for which there is to be room"
            )
        self.store = store
        self.codec = codec
        self.lookup = Lookup(store, codec, jobs or {})
        self.overview = Overview(store, self.lookup, queues or ())
        self._sealer = Sealer(codec, store.clock, jobs=jobs, queues=queues, room=room or {})
        self._sender = Sender(store, patience=patience)
        self._debouncer = Debouncer(self._sealer, self._sender)
        self._is_durable, self._patience = durable is not None, patience.total_seconds()
        self._voucher = Voucher(store.redis, replicas=(durable or Durable()).replicas)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        redis: RedisSettings,
        codec: Envelope,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]] | None = None,
        queues: Collection[str] | None = None,
        room: Mapping[str, int] | None = None,
        clock: Clock | None = None,
        patience: timedelta = PATIENCE,
        durable: Durable | None = None,
    ) -> "AsyncGenerator[Client]":
        """A client of a server that runs; its connections are closed on the way out."""
        async with open_redis(redis) as connection:
            store = Store(connection, clock or Clock())
            yield cls(
                store,
                codec,
                jobs=jobs,
                queues=queues,
                room=room,
                patience=patience,
                durable=durable,
            )

    async def enqueue(self, job: Job[Any, P, R], /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Put one run on its job's queue.

        Raises `CallRefused` for what can never run, `QueueFull` when there is no room for it now,
        and `Unavailable` when Redis did not confirm. Where a durable receipt was asked for, that is
        `NotDurable` for what is stored and may be lost, and the wait may be twice as long.
        """
        return await self.enqueue_call(Call(job, args, kwargs))

    async def enqueue_call(self, call: Call[R]) -> Handle[R]:
        """The same for a `Call`."""
        packed = self._sealer.check(call)
        is_durable = self._is_durable or call.job.options.durable
        if is_durable:
            await self._voucher.prepare()
        receipt = (await self._sender.send([self._sealer.seal(call, packed)]))[0]
        if not receipt.is_new and call.job.options.debounce:
            receipt = await self._debouncer.move(call, packed, receipt)
        if is_durable:
            await self._vouch([receipt.id])
        return Handle(receipt.id, receipt.is_new, self.lookup, call.job)

    async def enqueue_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """Put many runs on their queues in a few round trips; the handles are in the calls' order.

        All calls are checked first: one that can't be made refuses them all. When Redis goes away
        in between, `PartlyStored` tells which runs it has confirmed; and `QueueFull`, when some
        found no room, which did.
        """
        checked = self._sealer.check_all(calls)
        durable = [self._is_durable or call.job.options.durable for call, _ in checked]
        if any(durable):
            await self._voucher.prepare()
        chunks = (checked[start : start + CHUNK] for start in range(0, len(checked), CHUNK))
        receipts = await self._sender.send_all(
            [self._sealer.seal(call, packed) for call, packed in each] for each in chunks
        )
        if any(durable):
            await self._vouch(
                [each.id for each, is_so in zip(receipts, durable, strict=True) if is_so]
            )
        pairs = zip(checked, receipts, strict=True)
        return [Handle(each.id, each.is_new, self.lookup, call.job) for (call, _), each in pairs]

    async def _vouch(self, run_ids: Sequence[str]) -> None:
        """Wait until these are safe; raises `NotDurable`."""
        try:
            with anyio.fail_after(self._patience):
                await self._voucher.vouch(run_ids)
        except TimeoutError:
            raise NotDurable("Redis did not say in time that it is safe", run_ids=run_ids) from None

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

    async def worker(self, worker_id: str) -> WorkerSeen | None:
        """The worker of this name, if it lives."""
        return await self.overview.worker(worker_id)

    async def find(
        self, *, status: RunStatus | None = None, queue: str | None = None, limit: int = 50
    ) -> list[RunInfo]:
        """Runs that wait or run now, those due first."""
        return await self.overview.runs(status=status, queue=queue, limit=limit)

    def promised(self, run_id: str, call: Call[R]) -> Handle[R]:
        """The run a call will be once somebody enqueues what `prepare` made of it."""
        return Handle(run_id, True, self.lookup, call.job, is_promised=True)

    def prepare(self, call: Call[Any]) -> NewRun:
        """Check a call and seal it, without writing anything; raises `CallRefused`."""
        return self._sealer.seal(call, self._sealer.check(call))
