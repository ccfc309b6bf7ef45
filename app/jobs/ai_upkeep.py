"""Upkeep of the AI jobs: their log kept short, and a probe of what they stand on."""

from typing import Final

from app.context import Context
from app.engine import Fixed, job, minutes
from app.jobs import ai
from app.queues import AI
from app.services.probed import Probed
from app.services.task_journal import TaskLogsCleaned

_RETRY: Final = Fixed(minutes(1), attempts=4)


@job(name="ai.cleanup_old_logs", queue=AI, timeout=minutes(5), retry=_RETRY)
async def cleanup_old_logs(ctx: Context, *, dry_run: bool = False) -> TaskLogsCleaned:
    """Delete what is past its time of tasks' runs and of tasks that are over. Safe to repeat.

    With `dry_run` it only says how much that is.
    """
    return await ctx.tasks.log.clean(dry_run=dry_run)


@job(name="ai.probe_scheduler", queue=AI, timeout=minutes(1), retry=_RETRY)
async def probe_scheduler(ctx: Context) -> Probed:
    """Write to and read the database and Redis, and see that ticks arrive; else fail, saying why.

    Safe to repeat.
    """
    return await ctx.probe.look(every_minute=ai.process_due_tasks.name)
