"""Calendars, kept up to date in the background."""

from app.context import Context
from app.engine import Fixed, job, minutes
from app.queues import SYNC
from app.services.calendar import CalendarSynced


@job(queue=SYNC, timeout=minutes(2), retry=Fixed(minutes(5), attempts=4))
async def sync_calendar_events(ctx: Context) -> CalendarSynced:
    """Read every user's calendars. Safe to repeat: what has not changed counts as unchanged.

    Fails, to be tried again, only when there are calendars and none of them could be read.
    """
    total = CalendarSynced()
    for user in await ctx.users.active():
        total += await ctx.calendar.sync(user)
    total.raise_if_all_failed()
    return total.shortened()
