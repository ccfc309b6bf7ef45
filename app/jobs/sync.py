"""Calendars, kept up to date in the background."""

from app.context import Context
from app.engine import Fixed, job, minutes
from app.queues import SYNC
from app.services.calendar import CalendarSynced
from app.services.mail.synced import MailSynced


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


@job(queue=SYNC, timeout=minutes(15), retry=Fixed(minutes(30), attempts=4))
async def sync_email_services(ctx: Context) -> MailSynced:
    """Read the owner's mailboxes into the database. Safe to repeat: what is known is not read.

    Fails, to be tried again, only when none of them could be read.
    """
    synced = await ctx.mail.sync.sync(await ctx.users.owner())
    synced.raise_if_all_failed()
    return synced.shortened()
