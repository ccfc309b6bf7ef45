"""Which model answers, where, and what one answer may take."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One model of one account with a provider."""

    model: str
    base_url: str
    key: str = field(default="", repr=False)
    timeout: timedelta = timedelta(minutes=2)
    """For a whole answer, repairs included."""
    max_tokens: int = 2_000
    """What the model may write."""
