"""An answer that did not come.

AssistantError             an answer that did not come; worth another try
└── AssistantUnavailable   the provider can't be reached, or asks to wait
    └── QuotaUsedUp        the account has no money left, or has used up its limit
RefusedByAssistant         an answer that will not come, however often it is asked for
├── KeyRefused             the provider does not take the key
└── UnknownModel           the provider has no such model, or nothing at this address
UnusableAnswer             a model answered, and what it said is no answer; asking again costs again
MissingExtra               a model is wanted, and the packages that reach it are not installed
"""

from datetime import datetime, timedelta

from app.services.health_report import BrokenSetting, PlainTrouble


class AssistantError(OSError):
    """The assistant gave no answer; another try may."""


class AssistantUnavailable(AssistantError, ConnectionError):
    """The provider can't be reached, or asks to wait: `retry_after` is a lower bound."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaUsedUp(AssistantUnavailable, PlainTrouble):
    """Nothing is answered until somebody pays, or raises a limit; `met` is when that was said."""

    def __init__(
        self, code: str = "", *, met: datetime | None = None, retry_after: timedelta | None = None
    ) -> None:
        when = f" since {met:%Y-%m-%d %H:%M} UTC" if met else code
        super().__init__(
            f"the account's quota is used up{when}: pay at the provider or raise the limit there",
            retry_after=retry_after,
        )


class RefusedByAssistant(PermissionError):
    """The assistant will not do this, and no retry changes its mind."""


class KeyRefused(RefusedByAssistant):
    """The provider does not take the key."""


class UnknownModel(RefusedByAssistant, BrokenSetting):
    """The provider has no such model, or nothing of the kind is at its address."""


class UnusableAnswer(ValueError):
    """The model answered, after repairs, with something that is no answer."""


class MissingExtra(RuntimeError):
    """What reaches a model is not installed."""
