"""One attempt of one run: read what was asked, run the job, name the outcome.

    payload lost, altered or misfitting   Dead, at once: no retry can mend it
    name or version unknown here          Parked
    more attempts begun than it has       Dead: each of them took its worker down
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
from app.engine.attempt import Attempt, current_attempt
from app.engine.clock import Clock
from app.engine.codec import Codec, Payload
from app.engine.errors import (
    BadArguments,
    BadPayload,
    Discard,
    JobTimeout,
    RetryLater,
    SelfCancelled,
    WorkerDied,
)
from app.engine.job import Job
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
from app.engine.retry import delay_after
from app.engine.run import Claimed
from app.engine.slots import Running, Stopped

C = TypeVar("C")
E = TypeVar("E", bound=BaseException)


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A run that can start: its job, its arguments, and what it may know of itself."""

    job: Job[Any, ..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attempt: Attempt


class Runner(Generic[C]):
    """Turns claimed runs into outcomes."""

    def __init__(
        self,
        jobs: Mapping[str, Job[Any, ..., Any]],
        codec: Codec,
        make_context: Callable[[Attempt], C],
        *,
        clock: Clock,
        worker: str,
        accept_plain: bool,
    ) -> None:
        """`accept_plain`: also run payloads of plain arq clients, which name no run and queue."""
        self._jobs = jobs
        self._codec = codec
        self._make_context = make_context
        self._clock = clock
        self._worker = worker
        self._accept_plain = accept_plain

    def open(self, run: Claimed) -> Payload | Dead:
        """The run's payload, if it is ours and stands where we put it."""
        if run.payload is None:
            return Dead(BadPayload("the payload is gone"))
        try:
            payload = self._codec.open_payload(run.payload)
            self._refuse_moved(payload, run)
        except BadPayload as error:
            return Dead(error)
        return payload

    def _refuse_moved(self, payload: Payload, run: Claimed) -> None:
        if not payload.id and not self._accept_plain:
            raise BadPayload("from a plain arq client, and STEWARD_WORKER__ACCEPT_PLAIN is off")
        if payload.id and (payload.id, payload.q) != (run.id, run.queue):
            raise BadPayload(f"the payload of run {payload.id} on queue {payload.q}")

    def prepare(self, run: Claimed, payload: Payload) -> Prepared | Outcome:
        """Everything the attempt needs, or the outcome when it can't even start."""
        job = self._jobs.get(payload.f)
        if job is None or payload.v > job.version:
            return Parked(payload.f, payload.v)
        if run.cancelled:
            return Cancelled()
        try:
            args, kwargs = job.signature.unpack(payload.a, payload.k)
        except BadArguments as error:
            return Dead(error)
        misfit = job.signature.missing(args, kwargs)
        if misfit is not None:
            return Dead(BadArguments(misfit))
        if run.attempt > job.retry.attempts:
            return Dead(WorkerDied(f"{job.retry.attempts} attempts ended with their worker"))
        attempt = self._attempt(run, payload, job)
        return Prepared(job=job, args=args, kwargs=kwargs, attempt=attempt)

    def _attempt(self, run: Claimed, payload: Payload, job: Job[Any, ..., Any]) -> Attempt:
        return Attempt(
            run_id=run.id,
            job=job.name,
            queue=run.queue,
            number=run.attempt,
            attempts=job.retry.attempts,
            enqueued_ms=payload.et,
            due_ms=payload.sf or payload.et,
            deadline_ms=self._clock.now_ms() + job.timeout_ms,
            worker=self._worker,
            parent=payload.p or None,
            owner=payload.u or None,
            trace=payload.tp or None,
        )

    async def attempt(self, prepared: Prepared, running: Running) -> Outcome:
        """Run the job once; returns how that went, and never raises."""
        current_attempt.set(prepared.attempt)
        try:
            context = self._make_context(prepared.attempt)
            return Succeeded(await prepared.job(context, *prepared.args, **prepared.kwargs))
        except BaseException as error:  # the job's own, whatever it is: the worker goes on
            return self.failed(prepared.job, prepared.attempt.number, error, running.stopped)

    def failed(
        self, job: Job[Any, ..., Any], number: int, error: BaseException, stopped: Stopped | None
    ) -> Outcome:
        """What follows from an attempt that ended in `error`."""
        match error:
            case RetryLater():
                return Snoozed(error.delay, wire.message_of(error))
            case Discard():
                return Dead(error)
            case _ if stopped is Stopped.CANCELLED:
                return Cancelled()
            case _ if stopped is Stopped.STOPPING:
                return Released()
            case _:
                return _again_or_dead(job, number, _named(job, error, stopped))

    def cut_off(self, job: Job[Any, ..., Any], number: int, stopped: Stopped | None) -> Outcome:
        """What follows when a task ended without an outcome: never begun, or abandoned."""
        return self.failed(job, number, asyncio.CancelledError(), stopped)


def _again_or_dead(job: Job[Any, ..., Any], number: int, error: BaseException) -> Outcome:
    try:
        delay = delay_after(job.retry, number, error)
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
