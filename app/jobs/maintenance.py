"""Upkeep: logs kept small, and a look at whether everything works."""

from app.context import Context
from app.engine import Fixed, job, minutes
from app.queues import MAINTENANCE
from app.services.health_report import HealthReport
from app.services.logs import LogsCleaned


@job(queue=MAINTENANCE, timeout=minutes(30), retry=Fixed(minutes(30), attempts=4))
async def cleanup_old_logs(ctx: Context, *, dry_run: bool = False) -> LogsCleaned:
    """Delete old logs and compress yesterday's, or only say which. Safe to repeat."""
    return await ctx.logs.clean(dry_run=dry_run)


@job(queue=MAINTENANCE, timeout=minutes(1), retry=Fixed(minutes(5), attempts=4))
async def system_health_check(ctx: Context) -> HealthReport:
    """Ask every part how it is. What is unhealthy makes the result a warning, not a failure."""
    return await ctx.health.check()
