"""Files, tidied in the background."""

from app.context import Context
from app.engine import AtOnce, Fixed, RetryLater, hours, job, minutes
from app.queues import FILES
from app.services.backup import BackupBusy, BackupMade
from app.services.file_sync import FilesSynced
from app.services.files import FilesCleaned
from app.services.logs import LogsCleaned
from app.services.organizer import FilesOrganized


@job(queue=FILES, timeout=minutes(30), retry=Fixed(minutes(10), attempts=4))
async def cleanup_temp_files(ctx: Context, *, dry_run: bool = False) -> FilesCleaned:
    """Remove temporary files that are old enough, or only say which. Safe to repeat."""
    return await ctx.files.clean_temp(dry_run=dry_run)


@job(queue=FILES, timeout=hours(2), retry=Fixed(hours(1), attempts=4))
async def backup_user_data(ctx: Context, *, dry_run: bool = False) -> BackupMade:
    """Save every user's data, then remove old backups. Safe to repeat: a run makes one backup."""
    try:
        return await ctx.backups.make(key=ctx.attempt.origin, dry_run=dry_run)
    except BackupBusy as error:
        raise RetryLater(minutes(1), str(error)) from error


@job(queue=FILES, timeout=minutes(30), retry=Fixed(minutes(5), attempts=4))
async def cleanup_old_logs(ctx: Context, *, dry_run: bool = False) -> LogsCleaned:
    """Delete other programs' old logs and compress yesterday's, or only say. Safe to repeat."""
    return await ctx.other_logs.clean(dry_run=dry_run)


@job(
    queue=FILES,
    timeout=hours(2),
    retry=Fixed(minutes(30), attempts=4),
    limits=[AtOnce(1)],  # two would take each other's changes for somebody else's
)
async def sync_file_storage(ctx: Context, *, dry_run: bool = False) -> FilesSynced:
    """Keep the files alike with those on another disk, both ways. Safe to repeat."""
    return await ctx.file_sync.sync(dry_run=dry_run)


@job(queue=FILES, timeout=minutes(30), retry=Fixed(minutes(10), attempts=4))
async def organize_files(ctx: Context, *, dry_run: bool = False) -> FilesOrganized:
    """Put what came in into the folder of its kind, overwriting nothing. Safe to repeat."""
    return await ctx.organizer.organize(dry_run=dry_run)
