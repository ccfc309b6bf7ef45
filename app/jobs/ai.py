"""Users' AI tasks and reminders, in the background.

    create_reminder, create_periodic_task   store a task, and enqueue its next run at its exact time
    run_task                                executes one occurrence, and enqueues the one after it
    process_due_tasks                       each minute: enqueues what is due and has no run

An occurrence is stored as answered before its user is told, and told before it is closed, so a run
repeated after a crash takes up where the crash was: nothing is executed or told twice, and the next
occurrence is enqueued by whoever comes next, this run or the next minute's look.
"""

import logging
from contextlib import suppress
from datetime import datetime

from app.context import Context
from app.engine import Breaker, Client, EngineError, Fixed, job, minutes
from app.jobs import notifications
from app.jobs.ai_answer import answered
from app.jobs.ai_failures import give_up
from app.jobs.ai_queue import MODEL, Sent, TaskQueue
from app.jobs.ai_results import DueTasks, TaskCreated, TaskRun, TaskRunStatus
from app.queues import AI
from app.services.notifications import Channel, Delivered, DeliveryStatus
from app.services.schedule_config import Config
from app.services.tasks import Created, Tasks
from app.storage.task import Occurrence, Task, TaskStatus

log = logging.getLogger(__name__)

_RETRY = Fixed(minutes(1), attempts=4)
_BATCH = 50  # tasks claimed at once, so that several workers share what is due


@job(queue=AI, timeout=minutes(1), retry=_RETRY)
async def create_reminder(
    ctx: Context,
    user_id: int,
    title: str,
    remind_at: datetime,
    description: str = "",
    channels: tuple[Channel, ...] = (Channel.IN_APP,),
) -> TaskCreated:
    """Remind a user once. Safe to repeat: the task is unique by the run's id."""
    created = await ctx.tasks.create_reminder(
        await ctx.users.get(user_id),
        title,
        remind_at,
        description=description,
        channels=channels,
        key=ctx.attempt.run_id,
        asked_at=ctx.attempt.enqueued_at,
    )
    return await _enqueued(ctx, created)


@job(queue=AI, timeout=minutes(1), retry=_RETRY)
async def create_periodic_task(
    ctx: Context,
    user_id: int,
    title: str,
    schedule_type: str,
    schedule_config: Config,
    description: str = "",
    ai_context: str = "",
    channels: tuple[Channel, ...] = (Channel.IN_APP,),
) -> TaskCreated:
    """Give the assistant a task on a schedule. Safe to repeat: unique by the run's id."""
    created = await ctx.tasks.create_periodic_task(
        await ctx.users.get(user_id),
        title,
        schedule_type,
        schedule_config,
        description=description,
        ai_context=ai_context,
        channels=channels,
        key=ctx.attempt.run_id,
        asked_at=ctx.attempt.enqueued_at,
    )
    return await _enqueued(ctx, created)


@job(queue=AI, timeout=minutes(5), retry=_RETRY, limits=(Breaker(name="ai", by="account"),))
async def run_task(ctx: Context, task_id: int, due_at: datetime, account: str = MODEL) -> TaskRun:
    """Execute one occurrence, tell the task's owner, enqueue the next. Safe to repeat.

    `account` is whose breaker it waits for: a provider's that asks to be left alone, or nobody's.
    """
    del account
    runs = ctx.tasks.runs
    occurrence = Occurrence(task_id, due_at, ctx.attempt.run_id)
    task = await runs.begin(occurrence)
    found = task and await answered(ctx, _queue(ctx), task, occurrence)
    if found is None:
        return await _skipped(ctx, occurrence)
    delivered = await _tell(ctx, found, occurrence)
    finished = await runs.finish(found, occurrence)
    if finished is None:
        return await _skipped(ctx, occurrence)
    await enqueue_next(ctx.client, ctx.tasks, finished)
    return TaskRun(
        task_id=task_id,
        status=TaskRunStatus.EXECUTED,
        method=found.last_method or "",
        tokens=found.last_tokens,
        delivered=delivered,
        next_run_at=finished.next_run_at,
    )


@job(queue=AI, timeout=minutes(5), retry=_RETRY)
async def process_due_tasks(ctx: Context) -> DueTasks:
    """Enqueue the tasks that are due and have no run; each is claimed by one worker only.

    Those of a user who has moved to another zone move there before. One that can't be enqueued
    keeps none of the others; its claim is given back. Raises when nothing could be enqueued at all.
    """
    queue = _queue(ctx)
    for task in await ctx.tasks.follow_zones():
        with suppress(EngineError):  # it is found when it is due
            await queue.enqueue_next(task)
    sent: list[Sent] = []
    while batch := await ctx.tasks.runs.claim_due(limit=_BATCH):
        sent += (latest := await queue.send(batch))
        if all(each.error for each in latest):
            break
    await ctx.tasks.runs.release([each.occurrence for each in sent if each.error])
    lost = [each for each in sent if each.lost]
    for each in lost:
        what = f"its run {each.occurrence.run_id} is {each.lost}"
        await give_up(ctx, queue, each.task, each.occurrence, what)
    errors = [each.error for each in sent if each.error]
    if errors and len(errors) == len(sent):
        raise errors[0]
    return DueTasks(
        found=len(sent),
        enqueued=len(sent) - len(errors) - len(lost),
        failed_to_enqueue=len(errors),
        lost=len(lost),
    )


async def enqueue_next(client: Client, tasks: Tasks, task: Task) -> str | None:
    """Enqueue a task's next run at its due time, and note it; returns the run's id.

    None when the task is not active. Safe to repeat, and to leave out: the minute's look at what
    is due finds a task whose run nobody has enqueued.
    """
    return await TaskQueue(client, tasks, run_task).enqueue_next(task)


def _queue(ctx: Context) -> TaskQueue:
    return TaskQueue(ctx.client, ctx.tasks, run_task)


async def _enqueued(ctx: Context, created: Created) -> TaskCreated:
    run_id = await enqueue_next(ctx.client, ctx.tasks, created.task)
    return TaskCreated(
        task_id=created.task.id,
        title=created.task.title,
        next_run_at=created.task.next_run_at,
        run_id=run_id,
        is_new=created.is_new,
    )


async def _tell(ctx: Context, task: Task, occurrence: Occurrence) -> tuple[Delivered, ...]:
    """Tell the owner, once an occurrence; a channel that fails does not fail the task.

    What is told and the runs that bring it are written together: all or nothing.
    """
    channels = tuple(map(Channel, task.channels))
    key = Occurrence.of(task.id, occurrence.due_at).run_id
    try:
        user = await ctx.users.get(task.user_id)
        async with ctx.database.write() as session:
            told = await ctx.notifications.tell(
                session,
                user,
                task.title,
                task.last_result or "",
                channels=channels,
                dedupe_key=key,
                is_ai=True,
            )
            await notifications.post(ctx, session, told, urgent=True)
        return told.delivered
    except OSError as error:
        log.warning("Task %s was executed, but its owner could not be told.", task.id)
        return tuple(Delivered(each, DeliveryStatus.FAILED, str(error)) for each in channels)


async def _skipped(ctx: Context, occurrence: Occurrence) -> TaskRun:
    """Do nothing, say why, and see to it that the task's next run is on its way."""
    task = await ctx.tasks.runs.find(occurrence.task_id)
    if task is not None and task.run_id is None:
        await enqueue_next(ctx.client, ctx.tasks, task)
    return TaskRun(
        task_id=occurrence.task_id,
        status=TaskRunStatus.SKIPPED,
        reason=_why_skipped(task, occurrence),
        next_run_at=None if task is None else task.next_run_at,
    )


def _why_skipped(task: Task | None, occurrence: Occurrence) -> str:
    if task is None:
        return "the task was deleted"
    if task.answered_for == occurrence.due_at:
        return "this occurrence is over"
    if task.next_run_at != occurrence.due_at:
        return "the task is no longer due at this time"
    if task.status is not TaskStatus.ACTIVE:
        return f"the task is {task.status}"
    return f"run {task.run_id} sees to this occurrence"
