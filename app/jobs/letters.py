"""Mail that is written down with what it tells of, and then sent by a run of its own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.context import Context
from app.engine import Breaker, Fixed, job, minutes
from app.jobs.quiet import at_once, wait_for_the_end_of_quiet
from app.jobs.refusals import telling_of_refusals
from app.queues import EMAIL
from app.services.mail import Message
from app.services.notifications import Letter
from app.storage.users import User
from app.storage.ways import Channel, Ways

SERVER: Final = Breaker(name="smtp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Whether a server accepted a mail, and if not, why: not tried, or kept in a folder."""

    sent: bool
    reason: str = ""
    message_id: str = ""
    accepted_at: datetime | None = None


@job(
    name="email.send_letter",
    queue=EMAIL,
    timeout=minutes(2),
    retry=Fixed(minutes(5), attempts=4),
    limits=[SERVER],
    version=2,
    upcast=at_once,
)
async def send_letter(
    ctx: Context, user_id: int, subject: str, body: str, key: str, *, urgent: bool = False
) -> Delivery:
    """Send what was written down under a key, if the user still wants mail. Safe to repeat.

    In their quiet hours it waits, unless it is urgent, as a reminder is.
    """
    if not urgent:
        await wait_for_the_end_of_quiet(ctx, user_id, Channel.EMAIL)
    return await mail_user(ctx, user_id, subject, body, key=key)


async def post(
    ctx: Context, session: AsyncSession, letter: Letter, *, urgent: bool = False
) -> None:
    """Have a letter sent by a run of its own, once the session's transaction is committed."""
    given = (letter.user_id, letter.subject, letter.body, letter.key)
    await ctx.outbox.enqueue(session, send_letter, *given, urgent=urgent)


async def mail_user(ctx: Context, user_id: int, subject: str, body: str, *, key: str) -> Delivery:
    """Mail one user, if they want mail, once for the key."""
    user = await ctx.users.get(user_id)
    if reason := await _why_not(ctx, user):
        return Delivery(sent=False, reason=reason)
    message = Message(to=(user.address,), subject=subject, body=body)
    async with telling_of_refusals(ctx):
        mail = await ctx.mail.outbox.post(message, user_id=user.id, key=key)
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
