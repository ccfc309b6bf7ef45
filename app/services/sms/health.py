"""How SMS are doing: the share that went out, of those of which it is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from app.storage.outgoing_sms import SmsStatus

WINDOW: Final = timedelta(days=1)
_GOOD = (SmsStatus.ACCEPTED, SmsStatus.DELIVERED)
_BAD = (SmsStatus.FAILED, SmsStatus.EXPIRED)
_WARNING, _CRITICAL = 80, 60  # percent: below


class SmsLevel(StrEnum):
    """How SMS are doing, from good to bad."""

    NOT_CONFIGURED = "not_configured"
    """No provider is named: none can go out."""
    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsHealth:
    """How many of the last day's SMS went out."""

    status: SmsLevel
    success_rate: float | None
    """Percent of those that ended; None when none has."""
    counts: dict[str, int]
    """By status, those under way included."""
    total: int
    line: str


def judge(counts: Mapping[SmsStatus, int], *, is_configured: bool = True) -> SmsHealth:
    """What these numbers mean, where a provider is named."""
    good, bad = (sum(counts.get(each, 0) for each in kind) for kind in (_GOOD, _BAD))
    total = sum(counts.values())
    ended = good + bad
    line = f"{good} of {ended} went out" if ended else _nothing(counts)
    rate = round(100 * good / ended, 1) if ended else None
    return SmsHealth(
        status=_level(good, ended) if is_configured else SmsLevel.NOT_CONFIGURED,
        success_rate=rate,
        counts={status.value: number for status, number in sorted(counts.items())},
        total=total,
        line=line if is_configured else f"no provider is named; {line}",
    )


def _level(good: int, ended: int) -> SmsLevel:
    """Without rounding: 79.99 % are fewer than 80."""
    if 100 * good < _CRITICAL * ended:
        return SmsLevel.CRITICAL
    return SmsLevel.WARNING if 100 * good < _WARNING * ended else SmsLevel.HEALTHY


def _nothing(counts: Mapping[SmsStatus, int]) -> str:
    under_way = sum(counts.values()) - counts.get(SmsStatus.DROPPED, 0)
    return f"none has ended yet, {under_way} are under way" if under_way else "no SMS was sent"
