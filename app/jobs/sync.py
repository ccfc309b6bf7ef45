"""What is kept in step with something outside: calendars, mailboxes, notes, preferences."""

from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from app.context import Context
from app.engine import AtOnce, Breaker, Fixed, job, minutes
from app.jobs.notifications import herald_of
from app.jobs.refusals import telling_of_refusals
from app.queues import SYNC
from app.services.calendar import CalendarSynced
from app.services.calendar.notice import notice_of
from app.services.mail.important import MailHerald
from app.services.mail.synced import MailSynced
from app.services.notes import NotesSynced
from app.services.preferences import PreferencesSynced
from app.storage.calendar_event import StoredEvent
from app.storage.mailbox_entry import MailboxEntry
from app.storage.users import User

_FAULT = "Preferences that can't be applied"
_LOST_EVENTS = "A calendar is not synced: one side suddenly lost most of it"
_LOST_NOTES = "Your notes are not synced: one side suddenly lost most of them"
_SEEN = "\\Seen"
_WHERE = "the home's folder `preferences`"


@job(
    queue=SYNC,
    timeout=minutes(5),
    retry=Fixed(minutes(5), attempts=4),
    limits=(AtOnce(1), Breaker(name="calendar")),
)
async def sync_calendar_events(ctx: Context, *, removals: str = "") -> CalendarSynced:
    """Bring every user's calendars in step. Safe to repeat: what has not changed is unchanged.

    Where a whole side is suddenly empty nothing is done; the owner is told what to do.
    Fails, to be tried again, only when there are calendars and none of them could be read.
    One that refuses us, or asks to wait, is left alone for a while: see `services.rests`.
    """
    total = CalendarSynced()
    async with telling_of_refusals(ctx):
        for user in await ctx.users.active():
            total += await ctx.calendar.sync(
                user, announce=partial(_announce, ctx, user), removals=removals
            )
    await _tell_held(ctx, _LOST_EVENTS, total.held)
    total.raise_if_all_failed()
    return total.shortened()


@job(
    queue=SYNC,
    timeout=minutes(15),
    retry=Fixed(minutes(30), attempts=4),
    limits=(AtOnce(1),),
)
async def sync_email_services(ctx: Context) -> MailSynced:
    """Read the owner's mailboxes into the database. Safe to repeat: what is known is not read.

    Important mail that came into one that nobody sorts is told, unless it was read already.
    Fails, to be tried again, only when none of them could be read.
    """
    owner = await ctx.users.owner()
    important = MailHerald(ctx.database, herald_of(ctx), now=ctx.client.store.clock.now)

    async def announce(session: AsyncSession, mails: Sequence[MailboxEntry]) -> None:
        for mail in mails:
            if _SEEN not in mail.flags:
                await important.tell(session, owner, mail)

    async with telling_of_refusals(ctx):
        synced = await ctx.mail.sync.sync(owner, announce=announce)
    synced.raise_if_all_failed()
    return synced.shortened()


@job(
    queue=SYNC,
    timeout=minutes(15),
    retry=Fixed(minutes(10), attempts=4),
    limits=(AtOnce(1), Breaker(name="notion")),
)
async def sync_notion_pages(ctx: Context, *, removals: str = "") -> NotesSynced:
    """Bring the owner's notes in step with Notion, both ways. Safe to repeat, page by page.

    Where a whole side is suddenly empty nothing is done; the owner is told what to do.
    Fails, to be tried again, when Notion can't be reached, or asks to be left alone for long; what
    was done until then stays done.
    """
    synced = await ctx.notes.sync(await ctx.users.owner(), removals=removals)
    await _tell_held(ctx, _LOST_NOTES, synced.held)
    return synced


@job(queue=SYNC, timeout=minutes(5), retry=Fixed(minutes(5), attempts=4))
async def sync_user_preferences(ctx: Context) -> PreferencesSynced:
    """Apply what users have written down. Safe to repeat: what has not changed is left alone.

    A file that can't be applied is in the result each time, and told the owner once.
    """
    owner = await ctx.users.owner()

    async def announce(fault: str, mark: str) -> None:
        body = f"{fault}. Correct it in {_WHERE}: it is read again each hour."
        await herald_of(ctx).tell(owner, _FAULT, body, key=f"preferences:{mark}")

    return await ctx.preferences.sync(announce=announce)


async def _tell_held(ctx: Context, title: str, held: Mapping[str, str]) -> None:
    """Tell the owner of each mark once, however often it is met again."""
    owner = await ctx.users.owner()
    for mark, words in held.items():
        await herald_of(ctx).tell(owner, title, words, key=f"landslide:{mark}")


async def _announce(
    ctx: Context, user: User, session: AsyncSession, events: Sequence[StoredEvent]
) -> None:
    now = ctx.client.store.clock.now()
    if notice := notice_of(events, now=now, zone=user.timezone):
        await herald_of(ctx).write(session, user, notice.title, notice.body, key=notice.key)
