"""What the AI jobs do beside tasks: a look at events ahead, a log kept short, a probe."""

from typing import Final

from app.context import Context
from app.engine import Fixed, job, minutes
from app.jobs import ai
from app.jobs.notifications import herald_of
from app.queues import AI
from app.services.events_ahead import EventsAhead, EventsEvaluated
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


@job(name="ai.evaluate_events", queue=AI, timeout=minutes(5), retry=_RETRY)
async def evaluate_events(ctx: Context) -> EventsEvaluated:
    """Remind users of events that begin within two hours and matter. Safe to repeat."""
    ahead = EventsAhead(ctx.database, herald_of(ctx), now=ctx.tasks.runs.now)
    total = EventsEvaluated()
    for user in await ctx.users.active():
        total += await ahead.evaluate(user)
    return total
