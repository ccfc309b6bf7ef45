"""An occurrence's answer: from an earlier attempt, or from the assistant; and paid once.

It is a step of the run, and so is each answer of a model on the way: an attempt that is cut off, or
told to wait before a repair, leaves them to the next one, which does not ask, or pay, again.
"""

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import anyio

from app.context import Context
from app.engine import Discard, PermanentError, seconds
from app.jobs.ai_failures import give_up
from app.jobs.ai_queue import TaskQueue
from app.services.ai import AiRequest, Answer, AssistantUnavailable
from app.services.wall_clock import zone_named
from app.storage.task import Occurrence, Task

_MARGIN = seconds(30)  # of an attempt's time, kept to write down that the assistant took too long
_FOR_GOOD = (
    Discard,
    PermanentError,
    PermissionError,
    ValueError,
)  # the engine retries none of them


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer, and how long it took."""

    answer: Answer
    took_ms: int


async def answered(
    ctx: Context, queue: TaskQueue, task: Task, occurrence: Occurrence
) -> Task | None:
    """The task with this occurrence's result; None when it was changed or deleted meanwhile.

    Raises what the assistant raises; the occurrence has failed then, if nobody tries again.
    """
    if task.answered_for == occurrence.due_at:
        return task
    patience = ctx.attempt.deadline - ctx.tasks.runs.now() - _MARGIN
    try:
        with anyio.fail_after(max(0.0, patience / timedelta(seconds=1))):
            timed = await ctx.step("answer", _asked, ctx, _request(ctx, task))
    except Exception as error:  # whatever it was, it is kept with the task, and raised on
        if _is_the_end(ctx, error):
            await give_up(ctx, queue, task, occurrence, f"{type(error).__name__}: {error}")
        raise
    answer = timed.answer
    return await ctx.tasks.runs.answer(
        occurrence,
        result=answer.text,
        method=answer.method,
        tokens=answer.tokens,
        took_ms=timed.took_ms,
    )


async def _asked(ctx: Context, request: AiRequest) -> Timed:
    began = monotonic()
    answer = await ctx.ai.answer(request, ctx.step)
    return Timed(answer, round((monotonic() - began) * 1000))


def _is_the_end(ctx: Context, error: Exception) -> bool:
    """Whether this run is not tried again. One whose provider asks to wait is: see `Breaker`."""
    if isinstance(error, _FOR_GOOD):
        return True
    is_parked = isinstance(error, AssistantUnavailable) and error.retry_after is not None
    return ctx.attempt.is_last and not is_parked


def _request(ctx: Context, task: Task) -> AiRequest:
    return AiRequest(
        task_id=task.id,
        user_id=task.user_id,
        title=task.title,
        description=task.description,
        task_type=task.task_type,
        schedule_type=task.schedule_type,
        schedule_config=task.schedule_config,
        ai_context=task.ai_context,
        channels=task.channels,
        created_at=task.created_at,
        last_run_at=task.last_run_at,
        now=ctx.tasks.runs.now().astimezone(zone_named(task.timezone)),
    )
