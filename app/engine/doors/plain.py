"""Our jobs as arq functions: how a plain `arq.Worker` may share our queues.

    class WorkerSettings:
        functions = arq_functions(JOBS, CODEC, make_context)
        queue_name = "arq:queue:garden"
        job_serializer, job_deserializer = CODEC.dumps, CODEC.loads

What a job raises means there what it means in our workers, as far as arq can: it waits as long for
the next attempt, and a `RetryLater` costs none. But arq claims and commits in its own way. The runs
of a killed worker wait until their time limit is over, what fails for good leaves a failed result
and no dead letter, and the history hears of nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from arq.connections import ArqRedis
from arq.worker import Function, Retry

from app.engine import wire
from app.engine.attempt import Attempt, current_attempt
from app.engine.clock import Clock, minutes, to_ms
from app.engine.envelope import Payload
from app.engine.errors import (
    BadPayload,
    Discard,
    Expired,
    JobTimeout,
    RemoteError,
    RetryLater,
    SelfCancelled,
)
from app.engine.job import Job
from app.engine.memory import no_books
from app.engine.outcome import Dead, Retrying, Snoozed, Succeeded
from app.engine.redis import keys
from app.engine.redis.codec import Codec
from app.engine.redis.steps import source

C = TypeVar("C")

_CLEAN_UP = 10.0  # s that an attempt has after its deadline; then arq ends it, and for good
_NEWER = minutes(1)  # until a run that is newer than this code is offered again
_WORKER = "arq"  # a plain worker has no name
_BOOKS = no_books()

_Outcome = Succeeded | Retrying | Snoozed | Dead


def arq_functions(
    jobs: Mapping[str, Job[Any, ..., Any]],
    codec: Codec,
    make_context: Callable[[dict[Any, Any], Attempt], C],
) -> list[Function]:
    """Every job as arq takes it.

    `make_context` is given arq's `ctx`, with all that `on_startup` put there, and the attempt.
    """
    return [_function(job, _Plain(job, codec, make_context)) for job in jobs.values()]


def _function(job: Job[Any, ..., Any], plain: "_Plain[Any]") -> Function:
    return Function(
        name=job.name,
        coroutine=plain.run,
        timeout_s=job.timeout.total_seconds() + _CLEAN_UP,
        keep_result_s=None if job.keep_result is None else job.keep_result.total_seconds(),
        keep_result_forever=False,
        max_tries=job.retry.attempts,
    )


@dataclass(frozen=True, slots=True)
class _Plain(Generic[C]):
    """A job in the hands of arq."""

    job: Job[Any, ..., Any]
    codec: Codec
    make_context: Callable[[dict[Any, Any], Attempt], C]

    async def run(self, ctx: dict[Any, Any], *_args: Any, **_kwargs: Any) -> Any:
        """Make the attempt that arq has begun, and end it as arq understands it."""
        redis: ArqRedis = ctx["redis"]
        run_id: str = ctx["job_id"]
        payload = await self._payload(redis, run_id)
        match await self._outcome(ctx, payload):
            case Snoozed(delay):
                await redis.decr(keys.attempts(run_id))  # arq has charged it already
                raise Retry(delay)
            case Retrying(delay, error):
                raise Retry(delay) from error
            case Succeeded(result):
                await _let_go(redis, run_id, payload)
                return result
            case Dead(error):
                await _let_go(redis, run_id, payload)
                raise _for_arq(error)

    async def _payload(self, redis: ArqRedis, run_id: str) -> Payload | BadPayload:
        """All that was enqueued; arq has read no more of it than a name and untyped arguments."""
        try:
            payload = self.codec.open_payload(await redis.get(keys.payload(run_id)) or b"")
        except BadPayload as error:
            return error
        if payload.id not in ("", run_id):  # a plain client's has none
            return BadPayload(f"the payload of run {payload.id}")
        return payload

    async def _outcome(self, ctx: dict[Any, Any], payload: Payload | BadPayload) -> _Outcome:
        """Make the attempt; raises nothing but the cancellation that arq asks for."""
        if isinstance(payload, BadPayload):
            return Dead(payload)
        if payload.v > self.job.version:
            return Snoozed(_NEWER, "newer than this code")
        if payload.x and ctx["job_try"] == 1 and Clock().now_ms() >= payload.x:
            return Dead(Expired("expired before it could begin"))
        deadline = asyncio.timeout(self.job.timeout.total_seconds())
        try:
            async with deadline:
                return Succeeded(await self._result(ctx, payload))
        except BaseException as error:  # the job's own, whatever it is: the worker goes on
            if _is_told_to_stop():
                raise
            return self._failed(ctx["job_try"], error, is_late=deadline.expired())

    async def _result(self, ctx: dict[Any, Any], payload: Payload) -> Any:
        args, kwargs = self.job.arguments(payload.v, payload.a, payload.k)
        attempt = self._attempt(ctx, payload)
        current_attempt.set(attempt)
        return await self.job(self.make_context(ctx, attempt), *args, **kwargs)

    def _attempt(self, ctx: dict[Any, Any], payload: Payload) -> Attempt:
        return Attempt(
            run_id=ctx["job_id"],
            job=self.job.name,
            queue=self.job.queue,
            number=ctx["job_try"],
            attempts=self.job.retry.attempts,
            enqueued_ms=to_ms(ctx["enqueue_time"]),
            due_ms=payload.sf or ctx["score"],
            deadline_ms=Clock().now_ms() + self.job.timeout_ms,
            worker=_WORKER,
            parent=payload.p or None,
            owner=payload.u or None,
            trace=payload.tp or None,
            books=_BOOKS,
        )

    def _failed(self, number: int, error: BaseException, *, is_late: bool) -> _Outcome:
        match error:
            case RetryLater():
                return Snoozed(error.delay, wire.message_of(error))
            case Discard():
                return Dead(error)
            case _ if is_late:
                error = JobTimeout(f"took longer than {self.job.timeout}")
            case asyncio.CancelledError():
                error = SelfCancelled("cancelled itself")
            case _:
                pass
        delay = self.job.delay_after(number, error)
        return Dead(error) if delay is None else Retrying(delay, error)


def _is_told_to_stop() -> bool:
    """Whether arq wants the attempt to end: a run was aborted, or its worker stops."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _let_go(redis: ArqRedis, run_id: str, payload: Payload | BadPayload) -> None:
    """Remove what arq's own commit knows nothing of; arq's follows at once."""
    key = payload.uk if isinstance(payload, Payload) else ""
    await redis.register_script(source("let_go"))(args=[run_id, key])


def _for_arq(error: BaseException) -> Exception:
    """What ends the run but not the worker: `SystemExit` is the job's failure, no more."""
    if isinstance(error, Exception):
        return error
    return RemoteError(wire.kind_of(error), wire.message_of(error))
