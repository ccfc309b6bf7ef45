"""Events that begin soon, and whether their user should be reminded of them: rules, with reasons.

An event with a time is worth a word unless its title says that it is only there to fill the
calendar. Each is told once for each time that it happens, however often somebody looks, whatever it
is called and in however many calendars it is; one that is moved is told again. One that begins
while its user has quiet hours is told in the application alone: elsewhere it would come too late.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from zoneinfo import ZoneInfo

from app.services.notifications import Channel, Herald, Told
from app.services.quiet import quiet_until
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
    channels: dict[str, int] = field(default_factory=dict[str, int])
    """What became of those told, on each channel, such as `sms queued`."""

    def __add__(self, other: "EventsEvaluated") -> "EventsEvaluated":
        return EventsEvaluated(
            found=self.found + other.found,
            told=self.told + other.told,
            told_before=self.told_before + other.told_before,
            skipped=self.skipped + other.skipped,
            channels=dict(Counter(self.channels) + Counter(other.channels)),
        )


class EventsAhead:
    """Looks two hours ahead in the stored calendars."""

    def __init__(self, database: Database, herald: Herald, *, now: Now = utc_now) -> None:
        self._calendars = Calendars(database, now=now)
        self._herald = herald
        self._now = now

    async def evaluate(self, user: User) -> EventsEvaluated:
        """Remind a user of what matters and begins soon. Safe to repeat."""
        now = self._now()
        events = await self._calendars.named_between(user.id, now, now + AHEAD)
        total = EventsEvaluated(found=len(events))
        for uid, event in events:
            if not judge(event, now).matters:
                total += EventsEvaluated(skipped=1)
                continue
            told = await self._tell(user, uid, event, now)
            if told.is_new:
                total += EventsEvaluated(told=1, channels=dict(told.counts))
            elif told.is_told:
                total += EventsEvaluated(told_before=1)
            else:
                total += EventsEvaluated(skipped=1)
        return total

    async def _tell(self, user: User, uid: str, event: StoredOccurrence, now: datetime) -> Told:
        mark = sha256(f"{uid}\n{event.starts_at.isoformat()}".encode()).hexdigest()
        quiet = quiet_until(user, now)
        is_too_late = quiet is not None and quiet >= event.starts_at
        return await self._herald.tell(
            user,
            f"Soon: {event.title}",
            _when_and_where(event, now if quiet is None else None, zone_named(user.timezone)),
            key=f"event:{mark[:_LONGEST_KEY]}",
            only=frozenset({Channel.IN_APP}) if is_too_late else frozenset(Channel),
        )


def _when_and_where(event: StoredOccurrence, told_at: datetime | None, zone: ZoneInfo) -> str:
    """Without saying how long there is until then, where nobody knows when it will be read."""
    minutes = f", in {-(-(event.starts_at - told_at) // _MINUTE)} minutes" if told_at else ""
    where = f"\nWhere: {event.place.strip()}" if event.place.strip() else ""
    return f"At {event.starts_at.astimezone(zone):%H:%M}{minutes}.{where}"
