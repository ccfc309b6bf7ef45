"""Alerting: looks at everything that rules are about, and brings the alerts up to date.

It is asked to by the clock, whether anything failed or not, so a backlog without a single failure
is found too. Who is to be told comes back, to be told by runs of their own: a channel that is dead
holds up neither the others nor this look.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Client, Ending
from app.observability.breaches import breaches
from app.observability.rules import RULES, Measure, Rule, refuse_duplicates
from app.observability.seen import RunShare, Seen
from app.services.alert_report import Channel
from app.storage.alerts import Alert, Alerts, Breach
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.health import HealthChecks
from app.storage.run_times import RunTimes
from app.storage.samples import QueueSample, Samples, minute_of
from app.storage.sightings import Sighting, Sightings

_FAILED = (Ending.DEAD, Ending.RETRYING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToTell:
    """An alert that is to be told, on one channel."""

    alert: Alert
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of the alerts."""

    telling: Sequence[ToTell]
    resolved: int


class Alerting:
    """Finds out what is wrong."""

    def __init__(
        self,
        database: Database,
        client: Client,
        alerts: Alerts,
        *,
        rules: Sequence[Rule] = RULES,
        now: Now = utc_now,
    ) -> None:
        """Raises `DuplicateRule` when two rules share a name."""
        refuse_duplicates(rules)
        self.alerts = alerts
        self._rules = tuple(rules)
        self._client = client
        self._samples = Samples(database, now=now)
        self._sightings = Sightings(database, now=now)
        self._times = RunTimes(database)
        self._checks = HealthChecks(database, now=now)
        self._now = now

    async def look(self) -> Sequence[Breach]:
        """Take a sample of the queues, and say what breaks which rule now."""
        now = self._now()
        await self._samples.add_queues(await self._depths(now))
        return breaches(self._rules, await self._seen(now))

    async def settle(self, session: AsyncSession, found: Sequence[Breach]) -> Settled:
        """Write down what was found, in the session's transaction; says who is to be told."""
        told, resolved = await self.alerts.settle(session, found)
        channels = {rule.name: rule.channels for rule in self._rules}
        telling = [
            ToTell(alert=alert, channel=channel)
            for alert in told
            for channel in channels.get(alert.rule, ())
        ]
        return Settled(telling=telling, resolved=resolved)

    async def _depths(self, now: datetime) -> list[QueueSample]:
        return [
            QueueSample(
                queue=each.name,
                minute=minute_of(now),
                ready=each.ready,
                deferred=each.deferred,
                running=each.running,
            )
            for each in await self._client.queues()
        ]

    async def _seen(self, now: datetime) -> Seen:
        begin = now - max(rule.window for rule in self._rules) - timedelta(minutes=2)
        shares = await self._shares(now)
        return Seen(
            now=now,
            runs=lambda window: shares[window],
            machines=await self._samples.machines(begin),
            queues=await self._samples.queues(begin),
            dead=await self._dead(begin),
            given_up=await self._times.scheduled_deaths(begin),
            health=next(iter(await self._checks.latest(limit=1)), None),
        )

    async def _shares(self, now: datetime) -> Mapping[timedelta, Mapping[str, RunShare]]:
        windows = {r.window for r in self._rules if r.measure is Measure.FAILED_PERCENT}
        return {each: _by_domain(await self._times.counts(now - each)) for each in windows}

    async def _dead(self, since: datetime) -> list[Sighting]:
        """Those that were seen, have not said goodbye, and show no sign of life."""
        recent = [each for each in await self._sightings.recent(since) if each.left_at is None]
        return [each for each in recent if await self._client.worker(each.worker) is None]


def _by_domain(counts: Mapping[tuple[str, Ending], int]) -> dict[str, RunShare]:
    failed, total = Counter[str](), Counter[str]()
    for (job, ending), count in counts.items():
        domain = job.partition(".")[0]
        failed[domain] += count if ending in _FAILED else 0
        total[domain] += count if ending in (*_FAILED, Ending.SUCCEEDED) else 0
    return {each: RunShare(failed=failed[each], total=total[each]) for each in sorted(total)}
