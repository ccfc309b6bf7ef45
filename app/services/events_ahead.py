"""Events that begin soon, and whether their user should be reminded of them: rules, with reasons.

An event with a time is worth a word unless its title says that it is only there to fill the
calendar. Each is told once for each time that it happens, however often somebody looks; one that
is moved is told again.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from zoneinfo import ZoneInfo

from app.services.notifications import (
    TOLD_NOW,
    Channel,
    Delivered,
    DeliveryStatus,
    Notifier,
)
from app.services.wall_clock import zone_named
from app.storage.calendar import Calendars
from app.storage.calendar_event import StoredOccurrence
from app.storage.clock import Now, utc_now
from app.storage.database import Database
from app.storage.users import User

AHEAD = timedelta(hours=2)
_MINUTE = timedelta(minutes=1)
_FILLERS = frozenset(
    {
        "busy",
        "blocked",
        "hold",
        "focus",
        "lunch",
        "break",
        "tentative",
        "ooo",
        "commute",
        "birthday",
    }
)
_WEIGHTY = frozenset(
    {"meeting", "call", "interview", "doctor", "dentist", "appointment", "exam", "flight", "train"}
    | {"deadline", "court", "visit", "review", "demo", "talk"}
)
_WORD = re.compile(r"\w+")
_LONGEST_KEY = 40  # characters of a hash


class Reason(StrEnum):
    """Why an event is told, or is not."""

    PLACE = "it has a place to get to"
    WEIGHTY = "its title names something that does not wait"
    TIMED = "it has a time"
    ALL_DAY = "it lasts all day"
    BEGUN = "it has begun"
    FILLER = "its title says that it only fills the calendar"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules make of an event."""

    matters: bool
    reason: Reason


def judge(event: StoredOccurrence, now: datetime) -> Judgement:
    """Whether its user should be reminded of it."""
    words = set(_WORD.findall(event.title.lower()))
    if event.all_day:
        return Judgement(False, Reason.ALL_DAY)
    if event.starts_at <= now:
        return Judgement(False, Reason.BEGUN)
    if words & _WEIGHTY:
        return Judgement(True, Reason.WEIGHTY)
    if words & _FILLERS:
        return Judgement(False, Reason.FILLER)
    return Judgement(True, Reason.PLACE if event.place.strip() else Reason.TIMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsEvaluated:
    """What became of the events that begin soon."""

    found: int = 0
    told: int = 0
    told_before: int = 0
    skipped: int = 0
    """Those that don't matter by the rules, or whose user wants no notices."""

    def __add__(self, other: "EventsEvaluated") -> "EventsEvaluated":
        return EventsEvaluated(
            found=self.found + other.found,
            told=self.told + other.told,
            told_before=self.told_before + other.told_before,
            skipped=self.skipped + other.skipped,
        )


class EventsAhead:
    """Looks two hours ahead in the stored calendars."""

    def __init__(self, database: Database, notifications: Notifier, *, now: Now = utc_now) -> None:
        self._calendars = Calendars(database, now=now)
        self._notifications = notifications
        self._now = now

    async def evaluate(self, user: User) -> EventsEvaluated:
        """Remind a user of what matters and begins soon. Safe to repeat."""
        now = self._now()
        events = await self._calendars.between(user.id, now, now + AHEAD)
        total = EventsEvaluated(found=len(events))
        for event in events:
            if not judge(event, now).matters:
                total += EventsEvaluated(skipped=1)
                continue
            (told,) = await self._tell(user, event, now)
            if told.status is not DeliveryStatus.DELIVERED:
                total += EventsEvaluated(skipped=1)
            elif told.detail == TOLD_NOW:
                total += EventsEvaluated(told=1)
            else:
                total += EventsEvaluated(told_before=1)
        return total

    async def _tell(
        self, user: User, event: StoredOccurrence, now: datetime
    ) -> tuple[Delivered, ...]:
        mark = sha256(f"{event.title}\n{event.starts_at.isoformat()}".encode()).hexdigest()
        return await self._notifications.send(
            user,
            f"Soon: {event.title}",
            _when_and_where(event, now, zone_named(user.timezone)),
            channels=(Channel.IN_APP,),
            dedupe_key=f"event:{mark[:_LONGEST_KEY]}",
        )


def _when_and_where(event: StoredOccurrence, now: datetime, zone: ZoneInfo) -> str:
    minutes = -(-(event.starts_at - now) // _MINUTE)
    at = event.starts_at.astimezone(zone)
    where = f"\nWhere: {event.place.strip()}" if event.place.strip() else ""
    return f"At {at:%H:%M}, in {minutes} minutes.{where}"
