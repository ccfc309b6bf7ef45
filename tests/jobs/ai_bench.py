"""What the tests of the AI jobs share: running an occurrence by hand, and seeing what it did."""

import itertools
from dataclasses import replace
from datetime import datetime
from typing import Any

from msgspec import structs

from app.context import Context
from app.engine.clock import from_ms
from app.engine.redis import keys
from app.jobs.ai import run_task
from app.jobs.ai_results import TaskCreated, TaskRun
from app.queues import AI
from app.storage.notifications import Notice, Notices
from app.storage.task import Task
from app.storage.users import User

_TRIES = itertools.count(1)


def at_attempt(context: Context, run_id: str, *, number: int = 1, **services: Any) -> Context:
    """The same context, for one try of a run: a new one each time, charged as `number` says."""
    tried = next(_TRIES)
    attempt = structs.replace(
        context.attempt, run_id=run_id, number=number + tried, uncharged=tried
    )
    return replace(context, attempt=attempt, **services)


async def due(context: Context, created: TaskCreated, **services: Any) -> TaskRun:
    """Run the task's next occurrence as the engine would, whatever time it is."""
    assert created.next_run_at is not None
    assert created.run_id is not None
    ctx = at_attempt(context, created.run_id, **services)
    return await run_task(ctx, created.task_id, created.next_run_at)


async def task_of(context: Context, created: TaskCreated) -> Task:
    task = await context.tasks.runs.find(created.task_id)
    assert task is not None
    return task


async def notices(context: Context, user: User) -> list[Notice]:
    return [*await Notices(context.database).of(user.id)]


async def waiting(context: Context) -> dict[str, datetime]:
    """The runs on the queue, and when each is due."""
    redis: Any = context.client.store.redis
    found = await redis.zrange(keys.queue(AI), 0, -1, withscores=True)
    return {run_id.decode(): from_ms(score) for run_id, score in found}
