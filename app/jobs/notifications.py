"""Notifications that leave: each by a run of its own, enqueued with what it tells of."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from app.context import Context
from app.engine import Backoff, Breaker, Call, Fixed, hours, job, minutes, seconds
from app.jobs import letters
from app.jobs.quiet import at_once, wait_for_the_end_of_quiet
from app.jobs.sms import send_sms
from app.queues import EMAIL
from app.services.notifications import Channel, Delivered, Herald, Parcel, Told


@job(
    queue=EMAIL,
    timeout=minutes(2),
    retry=Fixed(minutes(1), attempts=4),
    limits=[Breaker(name="slack", by="user_id")],
    version=2,
    upcast=at_once,
)
async def send_slack(
    ctx: Context, user_id: int, text: str, key: str = "", *, urgent: bool = False
) -> Delivered:
    """Post to one user's Slack, once for the key, or once for this run and its replays.

    In their quiet hours it waits, unless it is urgent. A post that was cut off may have been taken:
    a person is asked, and it does not go out twice.
    """
    return await _deliver(ctx, Channel.SLACK, user_id, text, key, urgent=urgent)


@job(
    queue=EMAIL,
    timeout=minutes(2),
    retry=Backoff(attempts=6, first=seconds(30), longest=hours(2)),
    limits=[Breaker(name="webhook", by="user_id")],
    version=2,
    upcast=at_once,
)
async def send_webhook(
    ctx: Context, user_id: int, body: str, key: str = "", *, urgent: bool = False
) -> Delivered:
    """Tell one user's webhook a JSON text; in their quiet hours it waits, unless it is urgent.

    A repeat has the same webhook-id: it is the same.
    """
    return await _deliver(ctx, Channel.WEBHOOK, user_id, body, key, urgent=urgent)


async def post(ctx: Context, session: AsyncSession, told: Told, *, urgent: bool = False) -> None:
    """Have the rest brought by runs of their own, once the session's transaction is committed.

    It is urgent when it comes at a time that its user chose, as a reminder does.
    """
    if told.letter:
        await letters.post(ctx, session, told.letter, urgent=urgent)
    for parcel in told.parcels:
        await ctx.outbox.enqueue(session, _call(parcel, urgent=urgent))


def herald_of(ctx: Context) -> Herald:
    """Tells what Steward noticed; what leaves of it waits for the end of quiet hours."""
    return Herald(
        ctx.database, ctx.notifications, partial(post, ctx), now=ctx.client.store.clock.now
    )


async def _deliver(
    ctx: Context, channel: Channel, user_id: int, content: str, key: str, *, urgent: bool
) -> Delivered:
    if not urgent:
        await wait_for_the_end_of_quiet(ctx, user_id, channel)
    key = key or f"run:{ctx.attempt.origin}"
    parcel = Parcel(channel=channel, user_id=user_id, content=content, key=key)
    return await ctx.notifications.deliver(parcel)


def _call(parcel: Parcel, *, urgent: bool) -> Call[Delivered]:
    given = (parcel.user_id, parcel.content, parcel.key)
    match parcel.channel:
        case Channel.SMS:
            return send_sms.call(*given, urgent=urgent)
        case Channel.SLACK:
            return send_slack.call(*given, urgent=urgent)
        case _:
            return send_webhook.call(*given, urgent=urgent)
