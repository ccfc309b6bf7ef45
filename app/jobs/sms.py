"""SMS, in the background. Nobody gets one twice, and what may have gone out is asked about."""

from dataclasses import dataclass
from datetime import timedelta

from app.context import Context
from app.engine import Breaker, Fixed, job, minutes
from app.jobs.quiet import wait_for_the_end_of_quiet
from app.queues import SMS
from app.services.notifications import Channel, Delivered, Parcel
from app.services.sms import SmsHealth, SmsRetried

_RETRY = Fixed(minutes(5), attempts=4)
_PROVIDER = Breaker(name="sms")


@job(queue=SMS, timeout=minutes(2), retry=_RETRY, limits=[_PROVIDER])
async def send_sms(
    ctx: Context, user_id: int, text: str, key: str = "", *, urgent: bool = False
) -> Delivered:
    """Text one user, once for the key, or once for this run and its replays.

    In their quiet hours it waits, unless it is urgent. What the provider refuses for now goes out
    again later, in `process_sms_retries`: it is queued.
    """
    if not urgent:
        await wait_for_the_end_of_quiet(ctx, user_id, Channel.SMS)
    key = key or f"run:{ctx.attempt.origin}"
    parcel = Parcel(channel=Channel.SMS, user_id=user_id, content=text, key=key)
    return await ctx.notifications.deliver(parcel)


@job(queue=SMS, timeout=minutes(4), retry=_RETRY, limits=[_PROVIDER])
async def process_sms_retries(ctx: Context) -> SmsRetried:
    """Send up to 50 SMS again that are due, and ask about those that were taken. Safe to repeat."""
    return await ctx.sms.retry()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetriesCleaned:
    """How many SMS will not be sent again."""

    dry_run: bool = False
    cleaned_records: int


@job(queue=SMS, timeout=minutes(5), retry=_RETRY)
async def cleanup_old_retries(
    ctx: Context, *, days: int = 7, dry_run: bool = False
) -> RetriesCleaned:
    """Send no more what was tried in vain for so many days, or only count. Safe to repeat."""
    if days < 1:
        raise ValueError("days: must be 1 or more")
    old = await ctx.sms.unschedule(older_than=timedelta(days=days), dry_run=dry_run)
    return RetriesCleaned(dry_run=dry_run, cleaned_records=old)


@job(queue=SMS, timeout=minutes(1), retry=_RETRY)
async def sms_health(ctx: Context) -> SmsHealth:
    """Judge the last day's SMS by how many went out. Bad ones make it a warning, not a failure.

    Where no provider is named it says that, and calls nothing healthy.
    """
    return await ctx.sms.health()
