"""Mail, in the background."""

from app.context import Context
from app.engine import AtOnce, Fixed, job, minutes
from app.jobs.letters import SERVER, Delivery, mail_user
from app.jobs.notifications import herald_of
from app.jobs.quiet import wait_for_the_end_of_quiet
from app.jobs.refusals import telling_of_refusals
from app.queues import EMAIL
from app.services.daily_summary import DailySummary, SummariesSent
from app.services.mail.filing import file_all
from app.services.mail.mail_sorted import MailSorted
from app.storage.ways import Channel


@job(queue=EMAIL, timeout=minutes(2), retry=Fixed(minutes(5), attempts=4), limits=[SERVER])
async def send_notification(
    ctx: Context, user_id: int, subject: str, message: str, *, urgent: bool = False
) -> Delivery:
    """Mail one user, if they want mail; in their quiet hours it waits, unless it is urgent.

    Safe to repeat: a run and its replays have one mail.
    """
    if not urgent:
        await wait_for_the_end_of_quiet(ctx, user_id, Channel.EMAIL)
    return await mail_user(ctx, user_id, subject, message, key=f"run:{ctx.attempt.origin}")


@job(
    queue=EMAIL,
    timeout=minutes(10),
    retry=Fixed(minutes(10), attempts=4),
    limits=(AtOnce(1), SERVER),
)
async def send_daily_summary(ctx: Context) -> SummariesSent:
    """Mail each active user their day, at eight in their zone. Safe to repeat: once a day each.

    Fails, to be tried again, only when nobody's could be sent.
    """
    now = ctx.client.store.clock.now()
    summary = DailySummary(ctx.database, ctx.mail.outbox, now=now)
    async with telling_of_refusals(ctx):
        return await summary.send(await ctx.users.active())


@job(
    queue=EMAIL,
    timeout=minutes(5),
    retry=Fixed(minutes(5), attempts=4),
    limits=(AtOnce(1),),
)
async def process_email_queue(ctx: Context) -> MailSorted:
    """File the owner's incoming mail by rules; what is filed is not looked at again."""
    owner = await ctx.users.owner()
    now = ctx.client.store.clock.now
    async with telling_of_refusals(ctx):
        return await file_all(ctx.database, ctx.mail.mailboxes, herald_of(ctx), owner, now=now)
