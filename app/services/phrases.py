"""Times in words: "in 3 seconds to call Ann", "call Ann tomorrow at 9", "every weekday at 8:30".

    in 5 minutes · in an hour and 30 minutes · in 2 days · in 1 week
    today at 17:00 · tomorrow · tomorrow at 9 · on friday at 14:30 · at noon · 7pm · 7:00
    at half past seven · a quarter to 9
    2026-11-24 · 2026-11-24 at 9 · 2026-11-24T09:00+01:00 · 5 December · on Dec 5th at 8
    every day at 9 · every weekday at 8:30 · every monday and thursday · daily at 7pm
    every month on the 31st at 18:00 · every 15 minutes · every hour

A day without a time means 9:00. A time without a day means today or, once past, tomorrow. The
reminder's own words come after the time, best led in by "to", or before it. Nothing is guessed: a
word that is neither time nor reminder is an error that says so. Words that are the reminder's only
by their place, without a "to" before them, may hold nothing that looks like another time. What may
be an hour or not is none: "have a look at one", "at two places"; "at one o'clock" is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.services.bad_field import BadSchedule
from app.services.phrase_strays import (
    LEADS,
    after_time,
    doubtful_hour,
    first_stray,
    is_loose_end,
    names_a_time,
)
from app.services.phrase_times import Times
from app.services.phrase_words import NotUnderstood, Words
from app.services.recurrence import Schedule

__all__ = ["NotUnderstood", "Understood", "understand"]

_LONGEST = 1000  # characters
_SHOWN = 60  # characters of a phrase in an error
_HINT = 'say for example "tomorrow at 9 to call Ann"'


@dataclass(frozen=True, slots=True)
class Understood:
    """When, and what the other words say."""

    schedule: Schedule
    text: str


def understand(phrase: str, *, now: datetime, zone: ZoneInfo) -> Understood:
    """What this phrase means to somebody in `zone`; raises `NotUnderstood`, never guesses."""
    if len(phrase) > _LONGEST:
        raise NotUnderstood(f"that is longer than {_LONGEST} characters")
    spoken = phrase.split()
    if [each.lower() for each in spoken[:2]] == ["remind", "me"]:
        spoken = spoken[2:]
    words = Words(spoken)
    times = Times(words, now.astimezone(UTC), zone)
    try:
        return _time_first(words, times) or _time_last(words, times)
    except BadSchedule as error:
        raise NotUnderstood(f"{_shown(spoken)}: {error}") from error
    except OverflowError as error:
        raise NotUnderstood(f"{_shown(spoken)} is too far away") from error


def _time_first(words: Words, times: Times) -> Understood | None:
    schedule = times.take()
    if schedule is None:
        return None
    led_in = words.take(*LEADS)
    rest = words.spoken[words.at :]
    if not led_in:
        _refuse_doubt(words.spoken[: words.at], after=rest)
    if led_in and (not rest or rest[0][0].isdigit()):
        raise NotUnderstood(f"what should follow “{led_in}” is unclear: {_HINT}")
    if rest and not led_in:
        unclear = after_time(rest) or (rest if names_a_time(rest) else [])
        if unclear:
            raise NotUnderstood(f"{_shown(unclear)} after the time is unclear: {_HINT}")
    return Understood(schedule, words.rest())


def _time_last(words: Words, times: Times) -> Understood:
    """The longest time that ends the phrase; what comes before it is the reminder."""
    spoken = words.spoken
    for start in range(1, len(spoken)):
        words.at = start
        schedule = times.take()
        if schedule is not None and words.is_read:
            _refuse_doubt(spoken[start:], before=spoken[:start])
            text = spoken[1 if spoken[0].lower() in LEADS else 0 : start]
            is_loose = bool(text) and is_loose_end(text[-1])
            if not text or is_loose or names_a_time(text):
                unclear = text[-1:] if is_loose else text
                raise NotUnderstood(f"{_shown(unclear)} before the time is unclear: {_HINT}")
            return Understood(schedule, " ".join(text))
    strange = first_stray(spoken)
    if strange:
        raise NotUnderstood(f"{_shown([strange])} in {_shown(spoken)} is no exact time: {_HINT}")
    raise NotUnderstood(f"{_shown(spoken)} names no time: {_HINT}")


def _refuse_doubt(
    time: Sequence[str], *, before: Sequence[str] = (), after: Sequence[str] = ()
) -> None:
    if word := doubtful_hour(time, before=before, after=after):
        raise NotUnderstood(f"“{word}” after “at” may be no hour: say “at {word} o'clock” if it is")


def _shown(words: Sequence[str]) -> str:
    text = " ".join(words)
    return f"“{text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}”"
