"""Writing down how attempts ended: what the runner decided is performed here.

Runs that end while a commit is under way travel together in the next; many do not wait for that. A
commit that could not be confirmed is sent again as it is: the scripts compare leases, and until
then the claimer leaves these runs alone, so what had landed is not done twice, and what another
worker took over in the meantime is refused. That is logged and counted: the other's result stands.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta

import anyio

from app.engine.cause import cause_of
from app.engine.clock import Clock, jittered, span_ms
from app.engine.doors.events import Event
from app.engine.ended import Buried, Completed, Ended, PutBack, SetAside
from app.engine.envelope import Envelope, Kept, Payload
from app.engine.errors import Unanswered, Unavailable
from app.engine.failure import pack_failure
from app.engine.outcome import (
    Cancelled,
    Dead,
    Parked,
    Released,
    Retrying,
    Snoozed,
    Succeeded,
    ending_of,
)
from app.engine.redis.endings import in_parts
from app.engine.redis.store import Store
from app.engine.roles.over import Over

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # s between two tries to commit while Redis is away
_MANY = 50  # outcomes that are worth a second commit while one is under way


class Committer:
    """Commits outcomes, up to two batches at a time; one a worker."""

    def __init__(
        self,
        store: Store,
        codec: Envelope,
        *,
        clock: Clock,
        worker: str,
        keep_result: timedelta,
        heard: Iterable[Callable[[Over], None]] = (),
    ) -> None:
        """Each of `heard` is told of each outcome once it is committed."""
        self._store = store
        self._codec = codec
        self._clock = clock
        self._worker = worker
        self._keep_ms = span_ms(keep_result)
        self._heard = tuple(heard)
        self._waiting: list[Over] = []
        self._under_way: list[list[Over]] = []
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._is_unsure = False  # a commit was given up half-way: it may have landed
        self._is_held_up = False  # a commit under way has failed before
        self.lost = 0

    @property
    def pending(self) -> tuple[Over, ...]:
        """Outcomes that are not safe in Redis yet."""
        return (*(over for batch in self._under_way for over in batch), *self._waiting)

    def add(self, over: Over) -> None:
        """Commit this outcome soon."""
        self._waiting.append(over)
        if not self._under_way or self._is_held_up or len(self._waiting) >= _MANY:
            self._wake.set()

    async def run(self) -> None:
        """Commit what comes, two batches at a time, until cancelled."""
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(self._carry)

    async def _carry(self) -> None:
        while True:
            await self._wake.wait()
            await self._take()

    async def flush(self) -> None:
        """Wait until everything is committed, for as long as Redis is away."""
        while self.pending:
            self._settled.clear()
            await (self._take() if self._waiting else self._settled.wait())

    async def _take(self) -> None:
        """Commit what waits, as one batch."""
        self._wake.clear()
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        self._under_way.append(batch)
        try:
            await self._commit(batch)
        except asyncio.CancelledError:
            self._waiting[:0] = batch  # not confirmed: a flush brings it home
            self._is_unsure = True
            raise
        finally:
            self._under_way.remove(batch)
            self._settled.set()
            self._wake.set()

    async def _commit(self, batch: list[Over]) -> None:
        lost = await self._stored([self._ended(over) for over in batch])
        self.lost += len(lost)
        for run_id in lost:
            log.warning("run %s was taken over; its outcome here is dropped", run_id)
        for over in (each for each in batch if each.run.id not in lost):
            for heard in self._heard:
                heard(over)

    async def _stored(self, ended: Sequence[Ended]) -> Collection[str]:
        """Commit for as long as it takes; returns the ids that another worker took over."""
        lost = [await self._stored_part(part) for part in in_parts(ended)]
        return set[str]().union(*lost)

    async def _stored_part(self, part: Sequence[Ended]) -> set[str]:
        pause, again = _FIRST_PAUSE, self._is_unsure
        while True:
            try:
                lost = await self._store.commit(part)
            except Unavailable as error:
                again = again or isinstance(error, Unanswered)
                log.warning("%s outcomes wait for Redis: %s", len(self.pending), error)
                self._is_held_up = True
                self._wake.set()
            else:
                self._is_held_up = False
                return {id for id, lease in lost.items() if not again or self._is_theirs(lease)}
            await anyio.sleep(jittered(pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _is_theirs(self, lease: str) -> bool:
        """Whether another worker has it: if not, an earlier try had landed, unheard of."""
        return bool(lease) and lease.rpartition(":")[0] != self._worker

    def _ended(self, over: Over) -> Ended:
        match over.outcome:
            case Succeeded():
                ended: Ended = self._completed(over, over.outcome.result, succeeded=True)
            case Cancelled():
                ended = self._completed(over, asyncio.CancelledError(), succeeded=False)
            case Retrying(delay, error):
                ended = self._put_back(over, delay, error, is_charged=True)
            case Snoozed(delay):
                ended = self._put_back(over, delay, None, is_charged=False)
            case Released():
                ended = self._put_back(over, None, None, is_charged=False)
            case Parked(name, version):
                event = self._event(over, over.known)
                ended = SetAside(run=over.run, name=name, version=version, event=event)
            case Dead(error):
                ended = self._buried(over, error)
        return ended

    def _completed(self, over: Over, value: object, *, succeeded: bool) -> Completed:
        payload = over.known
        return Completed(
            run=over.run,
            ending=ending_of(over.outcome),
            result=self._sealed(over, payload, value, succeeded=succeeded),
            keep_ms=self._keep(over),
            key=payload.uk,
            event=self._event(over, payload),
        )

    def _put_back(
        self, over: Over, delay: timedelta | None, error: BaseException | None, *, is_charged: bool
    ) -> PutBack:
        return PutBack(
            run=over.run,
            delay=delay,
            is_charged=is_charged,
            failure=self._failure(over, error) if error else b"",
            event=self._event(over, over.known, error),
        )

    def _buried(self, over: Over, error: BaseException) -> Buried:
        payload = over.known
        return Buried(
            run=over.run,
            job=payload.f,
            result=self._sealed(over, payload, error, succeeded=False),
            keep_ms=self._keep(over),
            failure=self._failure(over, error),
            cause=cause_of(payload.f, error),
            is_readable=over.payload is not None,
            key=payload.uk,
            event=self._event(over, payload, error),
        )

    def _keep(self, over: Over) -> int:
        own = over.job.keep_result if over.job else None
        return self._keep_ms if own is None else span_ms(own)

    def _failure(self, over: Over, error: BaseException) -> bytes:
        return pack_failure(
            error,
            number=over.run.attempt,
            started_at=over.started_at,
            ended_at=over.ended_at,
            worker=self._worker,
        )

    def _sealed(self, over: Over, payload: Payload, value: object, *, succeeded: bool) -> bytes:
        kept = Kept(
            t=over.run.attempt,
            f=payload.f,
            a=payload.a,
            k=payload.k,
            et=payload.et,
            s=succeeded,
            r=self._codec.pack_result(value),
            st=over.started_ms,
            ft=over.ended_ms,
            q=over.run.queue,
            id=over.run.id,
        )
        return self._codec.seal_result(kept)

    def _event(self, over: Over, payload: Payload, error: BaseException | None = None) -> bytes:
        run = over.run
        return Event(
            run_id=run.id,
            job=payload.f,
            queue=run.queue,
            ending=ending_of(over.outcome),
            attempt=run.attempt,
            enqueued=payload.et,
            due=payload.sf,
            started=over.started_ms,
            ended=over.ended_ms,
            worker=self._worker,
            owner=payload.u,
            parent=payload.p,
        ).pack(error)
