"""An occurrence that has failed for good: counted, and its owner told when that pauses the task.

The pause and what its owner is told are written in one transaction: nobody finds a task paused
without a word, and nobody is told of a pause that is not there.
"""

import logging

from sqlalchemy.ext.asyncio import AsyncSession

from app.context import Context
from app.jobs import notifications
from app.jobs.ai_queue import TaskQueue
from app.services.notifications import Channel
from app.storage.task import Occurrence, Task

log = logging.getLogger(__name__)

_LONGEST_REASON = 500


async def give_up(
    ctx: Context, queue: TaskQueue, task: Task, occurrence: Occurrence, error: str
) -> None:
    """Count the occurrence as failed, and go on with the next, if there is one. Safe to repeat."""
    log.warning("Task %s failed for good on its run %s.", task.id, occurrence.run_id)
    async with ctx.database.write() as session:
        failed = await ctx.tasks.runs.fail(session, task, occurrence, error)
        if failed is not None and ctx.tasks.runs.pauses(failed):
            await _tell(ctx, session, failed, occurrence)
    if failed is not None:
        await queue.enqueue_next(failed)


async def _tell(ctx: Context, session: AsyncSession, task: Task, occurrence: Occurrence) -> None:
    await notifications.herald_of(ctx).write(
        session,
        await ctx.users.get(task.user_id),
        f"Paused: {task.title}",
        f"This task has failed {task.failures} times in a row and is paused. The last time: "
        f"{(task.last_error or '')[:_LONGEST_REASON]}\n"
        f"Let it go on with: steward tasks resume {task.id}",
        key=f"paused:{Occurrence.of(task.id, occurrence.due_at).run_id}",
        also=frozenset(map(Channel, task.channels)),
    )
    log.warning("Task %s is paused after %s failures in a row.", task.id, task.failures)
