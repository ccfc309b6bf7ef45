"""An arq project's functions as jobs of our engine, called as arq calls them.

A plain exception ends a run for good, `Retry` and a cancellation bring it again: those are arq's
rules, and they stay. What fails for good becomes a dead letter, beside the result that arq keeps.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import msgspec
from arq.cron import CronJob
from arq.worker import Function, JobExecutionFailed, Retry, RetryJob

from app.engine.dropin.envelope import opened
from app.engine.dropin.hooks import Hooks
from app.engine.dropin.settings import ArqSettings, span
from app.engine.errors import SelfCancelled
from app.engine.job import Job
from app.engine.redis.together import Together
from app.engine.retry import Fixed
from app.engine.signature import Signature

_AT_ONCE = timedelta(0)
_FOREVER = timedelta(days=36_500)  # Redis and timers want a number
_ABORTED = 1.0  # the score arq's `abort` gives a deferred job, before it says that it is aborted
_ABORTING = 1.0  # s for it to say so, and for the keeper to cancel the run; arq polls as slowly

Due = Together[str, float | None]
"""Asks when runs stand in their queue, in ms."""


def arq_jobs(
    settings: ArqSettings, hooks: Hooks, due: Due, *, queue: str
) -> dict[str, Job[Any, ..., Any]]:
    """The project's functions and cron jobs; of two with one name the last counts, as with arq."""
    known: tuple[Function | CronJob, ...] = (*settings.functions, *settings.cron_jobs)
    return {each.name: _job(each, settings, hooks, due, queue=queue) for each in known}


def _job(
    function: Function | CronJob, settings: ArqSettings, hooks: Hooks, due: Due, *, queue: str
) -> "ArqJob":
    tries = settings.max_tries if function.max_tries is None else function.max_tries
    call = _Call(function=function, tries=tries, retries=settings.retry_jobs, hooks=hooks, due=due)
    return ArqJob(
        name=function.name,
        function=call.begin,
        queue=queue,
        timeout=_timeout(function, settings),
        retry=Fixed(_AT_ONCE, attempts=tries),
        signature=_Unchecked.of(_anything, name=function.name),
        keep_result=_keep(function, settings),
        retries=settings.retry_jobs,
    )


def _timeout(function: Function | CronJob, settings: ArqSettings) -> timedelta:
    own = settings.job_timeout if function.timeout_s is None else span(function.timeout_s)
    return _FOREVER if own is None else own


def _keep(function: Function | CronJob, settings: ArqSettings) -> timedelta:
    forever = function.keep_result_forever
    if settings.keep_result_forever if forever is None else forever:
        return _FOREVER
    own = function.keep_result_s
    return settings.keep_result if own is None else span(own)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArqJob(Job[dict[Any, Any], ..., Any]):
    """A function of the project."""

    retries: bool

    def delay_after(self, attempt: int, error: BaseException) -> timedelta | None:
        """As arq has it: only what asks for it is tried again, and exactly when it asks."""
        if not self.retries or attempt >= self.retry.attempts:
            return None
        match error:
            case Retry():
                return timedelta(milliseconds=error.defer_score or 0)
            case RetryJob() | SelfCancelled():
                return _AT_ONCE
            case _:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """How arq's worker calls a function."""

    function: Function | CronJob
    tries: int
    retries: bool
    hooks: Hooks
    due: Due

    async def begin(self, ctx: dict[Any, Any], first_try: int, /, *args: Any, **kwargs: Any) -> Any:
        """One attempt; a run that was enqueued with a try to start from has fewer of them."""
        ctx["job_try"] += first_try - 1
        if ctx["job_try"] > self.tries:
            raise self._exceeded()
        (score,) = await self.due.send([ctx["job_id"]])
        ctx["score"] = ctx["score"] if score is None else int(score)
        if score == _ABORTED:
            await anyio.sleep(_ABORTING)
        try:
            await self.hooks.started(ctx)
            return await self.function.coroutine(ctx, *args, **kwargs)
        except Retry as again:
            if self.retries and ctx["job_try"] >= self.tries:
                raise self._exceeded() from again
            raise
        finally:
            await self.hooks.ended(ctx)

    def _exceeded(self) -> JobExecutionFailed:
        return JobExecutionFailed(f"max {self.tries} retries exceeded")


class _Unchecked(Signature):
    """Arguments of any kind: the project's serializer has read them."""

    def unpack(
        self, args: msgspec.Raw, kwargs: msgspec.Raw
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The try to start from, and the arguments."""
        return opened(args, kwargs)


async def _anything(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> Any:
    """What each of their functions is to us."""
