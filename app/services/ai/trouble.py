"""What a provider's errors mean here, in our words: theirs may quote the key, or the task.

An account that has no money left rests for an hour at a time: its runs wait, and somebody has to do
something. What was answered and can't be read is not asked for again, since that is paid again.
"""

from datetime import timedelta
from typing import Final

from pydantic_ai import exceptions as theirs

from app.services.ai.capped import TooLong
from app.services.ai.errors import (
    AssistantError,
    AssistantUnavailable,
    KeyRefused,
    QuotaUsedUp,
    RefusedByAssistant,
    UnknownModel,
    UnusableAnswer,
)

_REST = timedelta(seconds=30)  # where a provider asks to wait and does not say how long
_LONG_REST = timedelta(hours=1)
_LONGEST_REST = timedelta(days=1)  # a Retry-After of a year is a mistake
_DEEPEST_CAUSE = 20  # causes may form a circle

_Kind = type[Exception]
_FOR_NOW: Final[tuple[tuple[_Kind, str, timedelta | None], ...]] = (
    (theirs.ModelRateLimitError, "the provider asks to wait", _REST),
    (theirs.ModelOverloadedError, "the provider has too much to do", _REST),
    (theirs.ModelUnavailableError, "the provider is in trouble", None),
    (theirs.ModelServerError, "the provider is in trouble", None),
    (theirs.ModelConnectionError, "the provider can't be reached, or broke off", None),
    (theirs.ModelRequestTimeout, "the provider did not answer in time", None),
)
_FOR_GOOD: Final[tuple[tuple[_Kind, str, _Kind], ...]] = (
    (theirs.ModelAuthenticationError, "the provider refuses the key", KeyRefused),
    (theirs.ModelNotFoundError, "there is no such model at the provider's address", UnknownModel),
    (theirs.ModelContextWindowExceededError, "it is too long for the model", RefusedByAssistant),
    (theirs.ModelRequestRejectedError, "the provider refuses the request", RefusedByAssistant),
    (theirs.ContentFilterError, "the provider's filter refuses it", RefusedByAssistant),
    (TooLong, "the model's answer does not end, or is packed", UnusableAnswer),
    (theirs.OutputTokenLimitExceeded, "the model's answer is too long", UnusableAnswer),
    (theirs.UnexpectedModelBehavior, "the model's answer is not of the form", UnusableAnswer),
    (theirs.UsageLimitExceeded, "the model's answer is not of the form", UnusableAnswer),
)


def ours(error: Exception) -> Exception:
    """The same in our words."""
    status = getattr(error, "status_code", None)
    code = f" ({status})" if isinstance(status, int) else ""
    cause = _cut_off(error) or error
    for kind, text, our_kind in _FOR_GOOD:
        if isinstance(cause, kind):
            return our_kind(f"{text}{code}")
    if isinstance(cause, theirs.ModelQuotaExceededError):
        return QuotaUsedUp(code, retry_after=_asked(error) or _LONG_REST)
    for kind, text, rest in _FOR_NOW:
        if isinstance(cause, kind):
            return AssistantUnavailable(f"{text}{code}", retry_after=_asked(error) or rest)
    return AssistantError(f"the model can't be asked: {type(error).__name__}{code}")


def _asked(error: Exception) -> timedelta | None:
    """How long the provider asks to be left alone, in sane bounds."""
    asked = getattr(error, "retry_after", None)
    if not isinstance(asked, int | float) or not asked > 0:
        return None
    return timedelta(seconds=min(float(asked), _LONGEST_REST.total_seconds()))


def _cut_off(error: Exception) -> TooLong | None:
    """Our own transport's objection, wherever the libraries have wrapped it."""
    current: BaseException | None = error
    for _ in range(_DEEPEST_CAUSE):
        if current is None or isinstance(current, TooLong):
            return current
        current = current.__cause__
    return None
