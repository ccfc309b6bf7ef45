"""One attempt of one run: read what was asked, run the job, name the outcome.

    payload lost, altered or misfitting   Dead, at once: no retry can mend it
    name or version unknown here          Parked
    expired before its first attempt      Dead
    too many workers died with it         Dead: it takes its worker down
    the job returned                      Succeeded
    it raised RetryLater                  Snoozed
    it raised anything else               Retrying, or Dead when its policy says so
    it was cancelled                      by its deadline: a failure like any other, `JobTimeout`
                                          by somebody: Cancelled; by a stopping worker: Released,
                                          whatever its clean-up raised in the end;
                                          by nobody here: the job's own error

Deciding is all this file does. What a job raises never leaves it, `SystemExit` included.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from app.engine import wire
from app.engine.attempt import Attempt
from app.engine.books import Books
from app.engine.clock import Clock
from app.engine.envelope import Envelope, Payload
from app.engine.errors import (
    BadArguments,
    BadPayload,
    Discard,
    Expired,
    JobTimeout,
    RetryLater,
    SelfCancelled,
    WorkerDied,
)
from app.engine.job import Job
from app.engine.limits import asks
from app.engine.outcome import (
    Cancelled,
    Dead,
    Outcome,
    Parked,
    Released,
    Retrying,
    Snoozed,
    Succeeded,
)
from app.engine.retry import stretched
from app.engine.roles.running import Running, Stopped
from app.engine.run import Claimed
from app.engine.verdict import provider_asks

C = TypeVar("C")
E = TypeVar("E", bound=BaseException)


class Refused(msgspec.Struct, frozen=True):
    """A run that can't start: what is known of it, and its outcome."""

    payload: Payload | None
    outcome: Outcome


class Runner(Generic[C]):
    """Turns claimed runs into outcomes."""

    def __init__(
        self,
        jobs: Mapping[str, Job[Any, ..., Any]],
        codec: Envelope,
        make_context: Callable[[Attempt], C],
        *,
        clock: Clock,
        worker: str,
        books: Books,
        accept_plain: bool,
        fatal: int = 3,
    ) -> None:
        """`accept_plain`: also run payloads of plain arq clients, which name no run and queue.

        `fatal`: how many crashes a run dies of.
        """
        self._jobs = jobs
        self._codec = codec
        self._make_context = make_context
        self._clock = clock
        self._worker = worker
        self.books = books
        self._accept_plain = accept_plain
        self._fatal = fatal

    def prepare(self, run: Claimed) -> Running | Refused:
        """Everything the attempt needs, or the outcome when it can't even start."""
        try:
            payload = self._opened(run)
        except BadPayload as error:
            return Refused(None, Dead(error))
        job = self._jobs.get(payload.f)
        if job is None or payload.v > job.version:
            return Refused(payload, Parked(payload.f, payload.v))
        if run.cancelled:
            return Refused(payload, Cancelled())
        now = self._clock.now_ms()
        died = self._death_of(run, job) if run.attempt > 1 else _expiry_of(payload, now)
        if died is not None:
            return Refused(payload, Dead(died))
        try:
            return self._running(run, payload, job, now)
        except BadArguments as error:
            return Refused(payload, Dead(error))

    def _death_of(self, run: Claimed, job: Job[Any, ..., Any]) -> WorkerDied | None:
        """Why it must not begin again, if so: it has taken its workers down, or may have."""
        if run.crashes >= min(self._fatal, job.retry.attempts):
            return WorkerDied(f"crashed {run.crashes}x: its worker died each time it began")
        if run.charged > job.retry.attempts:
            return WorkerDied(f"{job.retry.attempts} attempts ended with their worker")
        return None

    def _opened(self, run: Claimed) -> Payload:
        """The run's payload, if it is ours and stands where we put it; raises `BadPayload`."""
        if run.payload is None:
            raise BadPayload("the payload is gone")
        payload = self._codec.open_payload(run.payload)
        if payload.id != run.id or payload.q != run.queue:
            self._refuse_unless_plain(payload)
        elif run.is_over:
            raise BadPayload("the payload of a run that was over, put on its queue once more")
        return payload

    def _refuse_unless_plain(self, payload: Payload) -> None:
        if payload.id:
            raise BadPayload(f"the payload of run {payload.id} on queue {payload.q}")
        if not self._accept_plain:
            raise BadPayload("from a plain arq client, and STEWARD_WORKER__ACCEPT_PLAIN is off")

    def _running(
        self, run: Claimed, payload: Payload, job: Job[Any, ..., Any], now: int
    ) -> Running:
        """The run, ready to start; raises `BadArguments`."""
        args, kwargs = job.arguments(payload.v, payload.a, payload.k)
        return Running(
            run=run,
            payload=payload,
            job=job,
            args=args,
            kwargs=kwargs,
            attempt=self._attempt(run, payload, job, now),
            started_ms=now,
            asks=asks(job.limits, job.signature, args, kwargs) if job.limits else (),
        )

    def _attempt(
        self, run: Claimed, payload: Payload, job: Job[Any, ..., Any], now: int
    ) -> Attempt:
        return Attempt(
            run_id=run.id,
            job=job.name,
            queue=run.queue,
            number=run.attempt,
            attempts=job.retry.attempts,
            uncharged=run.uncharged,
            enqueued_ms=payload.et,
            due_ms=payload.sf or payload.et,
            deadline_ms=now + job.timeout_ms,
            worker=self._worker,
            parent=payload.p or None,
            owner=payload.u or None,
            trace=payload.tp or None,
            first=payload.o,
            books=self.books,
        )

    async def attempt(self, running: Running) -> Outcome:
        """Run the job once; returns how that went, and never raises."""
        try:
            context = self._make_context(running.attempt)
            return Succeeded(await running.job.function(context, *running.args, **running.kwargs))
        except BaseException as error:  # the job's own, whatever it is: the worker goes on
            return self.failed(running, error)

    def failed(self, running: Running, error: BaseException) -> Outcome:
        """What follows from an attempt that ended in `error`."""
        job, stopped = running.job, running.stopped
        match error:
            case RetryLater():
                asked = provider_asks(running.asks, error)
                return Snoozed(error.delay, wire.message_of(error), asked)
            case Discard():
                return Dead(error)
            case _ if stopped is Stopped.CANCELLED:
                return Cancelled()
            case _ if stopped is Stopped.STOPPING:
                return Released()
            case _:
                asked = provider_asks(running.asks, error)
                if asked is not None:
                    return Snoozed(stretched(asked), wire.message_of(error), asked)
                return _again_or_dead(job, running.run.charged, _named(job, error, stopped))

    def cut_off(self, running: Running) -> Outcome:
        """What follows when a task ended without an outcome: never begun, or abandoned."""
        return self.failed(running, asyncio.CancelledError())


def _expiry_of(payload: Payload, now: int) -> Expired | None:
    """That it is too late to begin, if so."""
    if not payload.x or now < payload.x:
        return None
    return Expired(f"expired {(now - payload.x) / 1000:.1f} s before it could begin")


def _again_or_dead(job: Job[Any, ..., Any], number: int, error: BaseException) -> Outcome:
    try:
        delay = job.delay_after(number, error)
    except Exception as broken:  # a policy may be anybody's code
        return Dead(_caused(broken, error))
    return Dead(error) if delay is None else Retrying(delay, error)


def _named(job: Job[Any, ..., Any], error: BaseException, stopped: Stopped | None) -> BaseException:
    """What to call it: a deadline counts as a timeout, whatever the clean-up raised in the end."""
    if stopped is Stopped.TIMEOUT:
        return _caused(JobTimeout(f"took longer than {job.timeout}"), error)
    if isinstance(error, asyncio.CancelledError):
        return _caused(SelfCancelled("cancelled itself"), error)
    return error


def _caused(error: E, cause: BaseException) -> E:
    error.__cause__ = cause
    return error
