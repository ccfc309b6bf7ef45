"""Mail, in the background."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.context import Context
from app.engine import AtOnce, Fixed, RetryLater, job, minutes
from app.queues import EMAIL
from app.services.daily_summary import DailySummary, SummariesSent
from app.services.mail import Message
from app.services.mail.filing import file_all
from app.services.mail.mail_sorted import MailSorted
from app.services.notifications import Letter
from app.services.quiet import quiet_until
from app.storage.users import User
from app.storage.ways import Channel, Ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Whether a server accepted a mail, and if not, why: not tried, or kept in a folder."""

    sent: bool
    reason: str = ""
    message_id: str = ""
    accepted_at: datetime | None = None


@job(queue=EMAIL, timeout=minutes(2), retry=Fixed(minutes(5), attempts=4))
async def send_notification(
    ctx: Context, user_id: int, subject: str, message: str, *, urgent: bool = False
) -> Delivery:
    """Mail one user, if they want mail; in their quiet hours it waits, unless it is urgent.

    Safe to repeat: a run and its replays have one mail.
    """
    if not urgent:
        await _wait_for_the_end_of_quiet(ctx, user_id)
    return await _mail(ctx, user_id, subject, message, key=f"run:{ctx.attempt.origin}")


@job(queue=EMAIL, timeout=minutes(2), retry=Fixed(minutes(5), attempts=4))
async def send_letter(ctx: Context, user_id: int, subject: str, body: str, key: str) -> Delivery:
    """Send what was written down under a key, if the user still wants mail. Safe to repeat.

    It is sent at once, also in quiet hours: a reminder comes at the time that its user chose.
    """
    return await _mail(ctx, user_id, subject, body, key=key)


async def _wait_for_the_end_of_quiet(ctx: Context, user_id: int) -> None:
    user, now = await ctx.users.get(user_id), ctx.client.store.clock.now()
    until = quiet_until(user, now)
    if until is not None and not await _why_not(ctx, user):
        raise RetryLater(until - now, f"user {user.id} has quiet hours until {until:%H:%M} UTC")


async def post(ctx: Context, session: AsyncSession, letter: Letter) -> None:
    """Have a letter sent by a run of its own, once the session's transaction is committed."""
    await ctx.outbox.enqueue(
        session, send_letter, letter.user_id, letter.subject, letter.body, letter.key
    )


async def _mail(ctx: Context, user_id: int, subject: str, body: str, *, key: str) -> Delivery:
    user = await ctx.users.get(user_id)
    if reason := await _why_not(ctx, user):
        return Delivery(sent=False, reason=reason)
    mail = await ctx.mail.outbox.post(
        Message(to=(user.address,), subject=subject, body=body), user_id=user.id, key=key
    )
    if kept := ctx.mail.outbox.kept_in:
        why = f"no mail server is set, so it is kept in {kept}"
        return Delivery(sent=False, reason=why, message_id=mail.message_id)
    return Delivery(sent=True, message_id=mail.message_id, accepted_at=mail.accepted_at)


async def _why_not(ctx: Context, user: User) -> str:
    """Why this user gets no mail; empty when they do."""
    if not user.active:
        return "the user is not active"
    wants_mail = user.wants_mail and await Ways(ctx.database).wants(user.id, Channel.EMAIL)
    return "" if wants_mail else "the user wants no mail"


@job(
    queue=EMAIL,
    timeout=minutes(10),
    retry=Fixed(minutes(10), attempts=4),
    limits=(AtOnce(1),),
)
async def send_daily_summary(ctx: Context) -> SummariesSent:
    """Mail each active user their day, at eight in their zone. Safe to repeat: once a day each.

    Fails, to be tried again, only when nobody's could be sent.
    """
    now = ctx.client.store.clock.now()
    summary = DailySummary(ctx.database, ctx.mail.outbox, now=now)
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
    return await file_all(ctx.database, ctx.mail.mailboxes, ctx.notifications, owner, now=now)
