"""Upkeep: logs and ledgers kept small, and a look at whether everything works."""

from dataclasses import dataclass

from app.context import Context
from app.engine import Fixed, RunStatus, hours, job, minutes
from app.queues import MAINTENANCE
from app.services.health_report import HealthReport
from app.services.logs import LogsCleaned
from app.storage.optimizations import DatabaseOptimized
from app.storage.swept import CacheCleaned, HistoryPruned, SessionsCleaned


@job(queue=MAINTENANCE, timeout=minutes(30), retry=Fixed(minutes(30), attempts=4))
async def cleanup_old_logs(ctx: Context, *, dry_run: bool = False) -> LogsCleaned:
    """Delete old logs and compress yesterday's, or only say which. Safe to repeat."""
    return await ctx.logs.clean(dry_run=dry_run)


@job(queue=MAINTENANCE, timeout=hours(7), retry=Fixed(minutes(60), attempts=4))
async def optimize_database(ctx: Context, *, dry_run: bool = False) -> DatabaseOptimized:
    """Refresh what the planner knows and give back empty space, or only look. Safe to repeat.

    How long that may take is a setting, which ends before this job's time limit.
    """
    return await ctx.optimizer.optimize(dry_run=dry_run)


@job(queue=MAINTENANCE, timeout=minutes(10), retry=Fixed(minutes(10), attempts=4))
async def cleanup_old_sessions(ctx: Context, *, dry_run: bool = False) -> SessionsCleaned:
    """Remove sessions that are expired or idle, or only say how many. Safe to repeat."""
    return await ctx.sessions.clean(dry_run=dry_run)


@job(queue=MAINTENANCE, timeout=minutes(10), retry=Fixed(minutes(10), attempts=4))
async def cleanup_expired_cache(ctx: Context, *, dry_run: bool = False) -> CacheCleaned:
    """Drop cache entries that are expired or damaged, or only say how many. Safe to repeat."""
    return await ctx.cache.clean(dry_run=dry_run)


@job(queue=MAINTENANCE, timeout=minutes(30), retry=Fixed(minutes(30), attempts=4))
async def prune_history(ctx: Context, *, dry_run: bool = False) -> HistoryPruned:
    """Forget runs, checks and the like that are long over, or only count. Safe to repeat."""
    return await ctx.history.prune(dry_run=dry_run)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsKept:
    """What became of the effects of runs."""

    dry_run: bool = False
    alive: int
    """Runs that had not been seen for a day and are still there, or their dead letters."""
    doubted: int
    """Effects that their run was in the middle of when it ended with its worker."""
    forgotten: int
    """Effects of runs that have been gone for a week."""


_GONE = (RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.UNKNOWN)


@job(queue=MAINTENANCE, timeout=minutes(30), retry=Fixed(minutes(30), attempts=4))
async def keep_effects(ctx: Context, *, dry_run: bool = False) -> EffectsKept:
    """Forget the effects of runs that are long over, and find those in doubt, or only count them.

    Safe to repeat.
    """
    doubted = 0
    for effect in await ctx.effects.begun():
        if await _status(ctx, effect.place.run_id) in (*_GONE, RunStatus.DEAD):
            doubted += 1
            if not dry_run:
                await ctx.effects.doubt(effect)
    alive, forgotten, last = 0, 0, ""
    while runs := await ctx.effects.runs(after=last):
        there = {run for run in runs if await _status(ctx, run) not in _GONE}
        if not dry_run:
            await ctx.effects.seen(there)
        forgotten += await ctx.effects.forget(set(runs) - there, dry_run=dry_run)
        alive, last = alive + len(there), runs[-1]
    return EffectsKept(dry_run=dry_run, alive=alive, doubted=doubted, forgotten=forgotten)


async def _status(ctx: Context, run_id: str) -> RunStatus:
    return await ctx.client.run(run_id).status()


@job(queue=MAINTENANCE, timeout=minutes(1), retry=Fixed(minutes(5), attempts=4))
async def system_health_check(ctx: Context) -> HealthReport:
    """Ask every part how it is. What is unhealthy makes the result a warning, not a failure."""
    return await ctx.health.check()
