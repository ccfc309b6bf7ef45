"""What can go wrong with an SMS.

    SmsError
    ├── SmsRejected     (ValueError)       the provider does not take this one, and says why
    ├── SmsMisconfigured (PermissionError) it doesn't let us in: a setting is wrong
    ├── SmsTrouble      (ConnectionError)  it is away or busy, and has not taken it: try again later
    └── SmsUnanswered   (ConnectionError)  it has it, and did not say whether it takes it

Their messages name servers and settings, never a number, a text or a token.
"""

from datetime import timedelta

from app.services.sms.codes import meaning_of


class SmsError(Exception):
    """Base of everything that goes wrong with an SMS."""


class SmsRejected(SmsError, ValueError):
    """The provider does not take this SMS, at least not now; `code` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}: {meaning_of(code)}")
        self.code = code


class SmsMisconfigured(SmsError, PermissionError):
    """The provider doesn't let us in, or is not where the settings say."""


class SmsTrouble(SmsError, ConnectionError):
    """The provider can't be used right now; it has not taken the SMS."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SmsUnanswered(SmsError, ConnectionError):
    """The provider was given the SMS and did not say whether it takes it: it may have."""
