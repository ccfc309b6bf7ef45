"""Notifications that leave: each by a run of its own, enqueued with what it tells of."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.context import Context
from app.engine import Backoff, Breaker, Call, Fixed, hours, job, minutes, seconds
from app.jobs import email
from app.jobs.sms import send_sms
from app.queues import EMAIL
from app.services.notifications import Channel, Delivered, Parcel, Told


@job(
    queue=EMAIL,
    timeout=minutes(2),
    retry=Fixed(minutes(1), attempts=4),
    limits=[Breaker(name="slack", by="user_id")],
)
async def send_slack(ctx: Context, user_id: int, text: str, key: str = "") -> Delivered:
    """Post to one user's Slack, once for the key, or once for this run and its replays.

    A post that was cut off may have been taken: a person is asked, and it does not go out twice.
    """
    return await _deliver(ctx, Channel.SLACK, user_id, text, key)


@job(
    queue=EMAIL,
    timeout=minutes(2),
    retry=Backoff(attempts=6, first=seconds(30), longest=hours(2)),
    limits=[Breaker(name="webhook", by="user_id")],
)
async def send_webhook(ctx: Context, user_id: int, body: str, key: str = "") -> Delivered:
    """Tell one user's webhook a JSON text. A repeat has the same webhook-id: it is the same."""
    return await _deliver(ctx, Channel.WEBHOOK, user_id, body, key)


async def post(ctx: Context, session: AsyncSession, told: Told) -> None:
    """Have the rest brought by runs of their own, once the session's transaction is committed."""
    if told.letter:
        await email.post(ctx, session, told.letter)
    for parcel in told.parcels:
        await ctx.outbox.enqueue(session, _call(parcel))


async def _deliver(
    ctx: Context, channel: Channel, user_id: int, content: str, key: str
) -> Delivered:
    key = key or f"run:{ctx.attempt.origin}"
    parcel = Parcel(channel=channel, user_id=user_id, content=content, key=key)
    return await ctx.notifications.deliver(parcel)


def _call(parcel: Parcel) -> Call[Delivered]:
    """The run that brings it; at once, as a reminder comes at the time that its user chose."""
    given = (parcel.user_id, parcel.content, parcel.key)
    match parcel.channel:
        case Channel.SMS:
            return send_sms.call(*given, urgent=True)
        case Channel.SLACK:
            return send_slack.call(*given)
        case _:
            return send_webhook.call(*given)
