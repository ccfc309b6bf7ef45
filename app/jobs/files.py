"""Files, tidied in the background."""

from app.context import Context
from app.engine import Fixed, hours, job, minutes
from app.queues import FILES
from app.services.backup import BackupMade
from app.services.files import FilesCleaned


@job(queue=FILES, timeout=minutes(30), retry=Fixed(minutes(10), attempts=4))
async def cleanup_temp_files(ctx: Context, *, dry_run: bool = False) -> FilesCleaned:
    """Remove temporary files that are old enough, or only say which. Safe to repeat."""
    return await ctx.files.clean_temp(dry_run=dry_run)


@job(queue=FILES, timeout=hours(2), retry=Fixed(hours(1), attempts=4))
async def backup_user_data(ctx: Context, *, dry_run: bool = False) -> BackupMade:
    """Save every user's data, then remove old backups. Safe to repeat: a run makes one backup."""
    return await ctx.backups.make(key=ctx.attempt.origin, dry_run=dry_run)
