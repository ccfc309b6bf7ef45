"""Moments and spans as people type them: `90`, `5m`, `1h30m`; `2026-12-24 18:00`."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.cli.failures import Misused

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PART = re.compile(rf"({_NUMBER})\s*([smhd]?)")
_WHOLE = re.compile(rf"(?:{_NUMBER}\s*[smhd]\s*)*(?:{_NUMBER})?")  # the last may do without a unit
_UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = 50  # characters; nobody means more


def read_span(text: str, *, option: str = "--delay") -> timedelta:
    """A length of time; raises `Misused`."""
    words = text.strip()
    if not words or len(words) > _LONGEST or not _WHOLE.fullmatch(words):
        raise Misused(f"{option}: write 90, 90s, 5m, 2h or 1d12h, not {text[:_LONGEST]!r}")
    try:
        return sum((_length(*part) for part in _PART.findall(words)), timedelta(0))
    except OverflowError:
        raise Misused(f"{option}: {text} is too long") from None


def _length(number: str, unit: str) -> timedelta:
    return timedelta(**{_UNITS[unit]: float(number)})


def read_moment(text: str, zone: ZoneInfo) -> datetime:
    """A moment in ISO format, meant in `zone` unless it has an offset; raises `Misused`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misused(f"--at: write 2026-12-24T18:00 or with an offset, not {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
