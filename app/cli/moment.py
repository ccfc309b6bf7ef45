"""Moments and spans as people type them: `90`, `5m`, `1h30m`; `2026-12-24 18:00`."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.cli.failures import Misused

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_WHOLE = re.compile(rf"(?:{_PART.pattern}\s*)+")
_UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_span(text: str) -> timedelta:
    """A length of time; raises `Misused`."""
    if not _WHOLE.fullmatch(text.strip()):
        raise Misused(f"--delay: write 90, 90s, 5m, 2h or 1d12h, not {text!r}")
    try:
        parts = _PART.findall(text)
        return sum(
            (timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta(0)
        )
    except OverflowError:
        raise Misused(f"--delay: {text} is too long") from None


def read_moment(text: str, zone: ZoneInfo) -> datetime:
    """A moment in ISO format, meant in `zone` unless it has an offset; raises `Misused`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misused(f"--at: write 2026-12-24T18:00 or with an offset, not {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
