"""Mails each active user their day, once, at eight by the clock of their own zone.

Asked often, it decides who is due: whoever it is past eight for, and not their quiet hours, and who
has not had it today. So nobody is mailed twice, a user whose mail failed is the only one tried
again, and whoever was asleep at eight, machine or user, has it as soon as they are up.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from app.services.digest import Digest
from app.services.mail.errors import MailError, MailInDoubt
from app.services.mail.message import Message
from app.services.mail.outbox import Outbox
from app.services.quiet import quiet_until
from app.services.wall_clock import moment_at, zone_named
from app.storage.calendar import Calendars
from app.storage.calendar_event import StoredOccurrence
from app.storage.database import Database
from app.storage.day import Day
from app.storage.outgoing_mail import MailStatus
from app.storage.users import User
from app.storage.ways import Channel, Ways

logger = logging.getLogger(__name__)

AT = time(8)

_ONE = timedelta(days=1)
_EVER = timedelta(hours=14)  # no zone is further from UTC
_TOLD = 20  # errors in a result


class SummaryStatus(StrEnum):
    """How it went as a whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"


class Fate(StrEnum):
    """What became of one user's summary."""

    SENT = "sent"
    HAD_IT = "had_it"
    NOT_YET = "not_yet"
    UNWANTED = "unwanted"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SummariesSent:
    """Who got their day, and who did not."""

    status: SummaryStatus
    users: int
    sent: int
    failed: int
    had_it: int = 0
    """Sent before, today."""
    not_yet: int = 0
    """It is not eight yet where they are, or their quiet hours last longer."""
    unwanted: int = 0
    """They want no mail."""
    refused: int = 0
    """Refused for good before, today: not tried again."""
    in_doubt: int = 0
    """Perhaps sent, and told so before, today: a person has to say (`steward effects`)."""
    errors: tuple[str, ...] = ()
    kept_in: str = ""
    """The folder that all mail stays in, for want of a server; empty where it goes out."""


class DailySummary:
    """Sends the summaries that are due."""

    def __init__(self, database: Database, outbox: Outbox, *, now: datetime) -> None:
        self._database = database
        self._outbox = outbox
        self._ways = Ways(database)
        self._now = now

    async def send(self, users: Iterable[User]) -> SummariesSent:
        """Mail whoever is due; safe to repeat. Raises the trouble when nobody's could be sent."""
        fates, troubles = Counter[Fate](), list[tuple[User, Exception]]()
        for user in users:
            try:
                fates[await self._send_one(user)] += 1
            except (MailError, OSError, ValueError) as error:
                logger.warning("User %s has no summary: %s.", user.id, type(error).__name__)
                troubles.append((user, error))
        if troubles and not fates[Fate.SENT] + fates[Fate.HAD_IT]:
            raise troubles[0][1]
        is_all = not troubles and not fates[Fate.IN_DOUBT]
        return SummariesSent(
            status=SummaryStatus.SUCCESS if is_all else SummaryStatus.PARTIAL_SUCCESS,
            users=fates.total() + len(troubles),
            sent=fates[Fate.SENT],
            failed=len(troubles),
            had_it=fates[Fate.HAD_IT],
            not_yet=fates[Fate.NOT_YET],
            unwanted=fates[Fate.UNWANTED],
            refused=fates[Fate.REFUSED],
            in_doubt=fates[Fate.IN_DOUBT],
            errors=tuple(f"user {user.id}: {error}" for user, error in troubles[:_TOLD]),
            kept_in=self._outbox.kept_in,
        )

    async def _send_one(self, user: User) -> Fate:
        if not (user.wants_mail and await self._ways.wants(user.id, Channel.EMAIL)):
            return Fate.UNWANTED
        local = self._now.astimezone(zone_named(user.timezone))
        if local.time() < AT or quiet_until(user, self._now):
            return Fate.NOT_YET
        key = f"summary:{user.id}:{local.date().isoformat()}"
        known = await self._outbox.find(key)
        if known is not None and known.status is not MailStatus.PENDING:
            return Fate.HAD_IT if known.status is MailStatus.SENT else Fate.REFUSED
        digest = await self.digest(user, local.date())
        mail = Message(
            to=(user.address,), subject=digest.subject, body=digest.text(), html=digest.html()
        )
        try:
            await self._outbox.post(mail, user_id=user.id, key=key)
        except MailInDoubt:
            if known is None or not known.detail:
                raise
            return Fate.IN_DOUBT  # it was told; once a day is enough
        return Fate.SENT

    async def digest(self, user: User, day: date) -> Digest:
        """The user's day, as far as it is known."""
        zone = zone_named(user.timezone)
        start = moment_at(datetime.combine(day, time()), zone)
        end = moment_at(datetime.combine(day + timedelta(days=1), time()), zone)
        since = moment_at(datetime.combine(day - timedelta(days=1), AT), zone)
        seen = Day(self._database, user.id)
        return Digest(
            name=user.name,
            day=day,
            zone=zone,
            due=await seen.tasks_due(start, end),
            done=await seen.tasks_done(since),
            mail=await seen.mail(since),
            events=await self._events(user, day, start, end),
        )

    async def _events(
        self, user: User, day: date, start: datetime, end: datetime
    ) -> list[StoredOccurrence]:
        """What is on between these moments; a whole day is its date's, whatever the zone."""
        noon = datetime.combine(day, time(12), tzinfo=UTC)
        calendars = Calendars(self._database)
        around = await calendars.between(user.id, min(start, noon - _EVER), max(end, noon + _EVER))
        return [each for each in around if _is_on(each, day, start, end)]


def _is_on(event: StoredOccurrence, day: date, start: datetime, end: datetime) -> bool:
    if event.all_day:
        return event.starts_at.date() <= day < max(event.ends_at, event.starts_at + _ONE).date()
    return event.starts_at < end and (event.ends_at > start or event.starts_at >= start)
