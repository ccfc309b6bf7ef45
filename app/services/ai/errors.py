"""An answer that did not come.

AssistantError             an answer that did not come; worth another try
└── AssistantUnavailable   the provider can't be reached, or asks to wait
RefusedByAssistant         an answer that will not come, however often it is asked for
"""

from datetime import timedelta


class AssistantError(OSError):
    """The assistant gave no answer; another try may."""


class AssistantUnavailable(AssistantError, ConnectionError):
    """The provider can't be reached, or asks to wait: `retry_after` is a lower bound."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedByAssistant(PermissionError):
    """The assistant will not do this, and no retry changes its mind."""
