"""Files, tidied in the background."""

from app.context import Context
from app.engine import Fixed, job, minutes
from app.queues import FILES
from app.services.files import FilesCleaned


@job(queue=FILES, timeout=minutes(30), retry=Fixed(minutes(10), attempts=4))
async def cleanup_temp_files(ctx: Context, *, dry_run: bool = False) -> FilesCleaned:
    """Remove temporary files that are old enough, or only say which. Safe to repeat."""
    return await ctx.files.clean_temp(dry_run=dry_run)
