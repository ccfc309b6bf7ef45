"""Watching: what is wrong is found by the clock, and told; what is old of it is forgotten.

They are on an urgent queue: the alarm about a backlog must not wait behind it.
"""

from dataclasses import dataclass

from app.context import Context
from app.engine import REPEAT, Backoff, Fixed, RetryLater, job, minutes, seconds
from app.queues import MAINTENANCE, SMS
from app.services.alert_report import Channel, TellStatus, Told
from app.services.mail import AccountRests
from app.services.web_post import PostFailed
from app.storage.samples import Samples
from app.storage.sightings import Sightings

_WEB = (Channel.SLACK, Channel.WEBHOOK)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsChecked:
    """What a look at everything came to."""

    breaches: int
    """Rules that are broken now, for each of what they look at."""
    telling: int
    """Runs that were enqueued to tell somebody."""
    resolved: int
    """Alerts that are over."""


@job(
    queue=SMS,
    timeout=seconds(50),
    retry=Fixed(seconds(10), attempts=3),
    name="maintenance.check_alerts",
)
async def check_alerts(ctx: Context) -> AlertsChecked:
    """Look for what breaks a rule, and have it told. Safe to repeat: an alert is told once."""
    found = await ctx.alerting.look()
    async with ctx.database.write() as session:
        settled = await ctx.alerting.settle(session, found)
        for each in settled.telling:
            await ctx.outbox.enqueue(
                session, tell_alert, each.alert.id, each.channel, each.alert.told
            )
    return AlertsChecked(
        breaches=len(found), telling=len(settled.telling), resolved=settled.resolved
    )


@job(
    queue=SMS,
    timeout=minutes(2),
    retry=Backoff(first=seconds(10), longest=minutes(10), attempts=8),
    name="maintenance.tell_alert",
)
async def tell_alert(ctx: Context, alert_id: int, channel: Channel, times: int) -> Told:
    """Tell one alert on one channel, unless this run did. A channel that is away is tried again."""
    alert = await ctx.alerting.alerts.get(alert_id)

    async def tell() -> Told:
        return await ctx.alert_channels.tell(alert, channel, times=times)

    if channel not in _WEB:  # a line in the log, or a mail, which has a key of its own
        try:
            return await tell()
        except AccountRests as error:
            raise RetryLater(error.retry_after or minutes(1), str(error)) from error
    told = await ctx.once("tell", tell, in_doubt=REPEAT, not_done=(PostFailed,))
    return told or Told(status=TellStatus.TOLD, channel=channel, detail="says whoever looked")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPruned:
    """How many rows were forgotten."""

    dry_run: bool = False
    samples: int
    workers: int
    alerts: int
    failures: int


@job(
    queue=MAINTENANCE,
    timeout=minutes(10),
    retry=Fixed(minutes(30), attempts=4),
    name="maintenance.prune_watch",
)
async def prune_watch(ctx: Context, *, dry_run: bool = False) -> WatchPruned:
    """Forget samples, workers, alerts and failures past their time, or only count them."""
    now = ctx.client.store.clock.now
    return WatchPruned(
        dry_run=dry_run,
        samples=await Samples(ctx.database, now=now).prune(dry_run=dry_run),
        workers=await Sightings(ctx.database, now=now).prune(dry_run=dry_run),
        alerts=await ctx.alerting.alerts.prune(dry_run=dry_run),
        failures=await ctx.failures.prune(dry_run=dry_run),
    )
