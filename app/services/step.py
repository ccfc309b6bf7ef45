"""One step of leading somebody to a first real account."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was tried."""

    tried: str
    said: str
    advice: str = ""
    """What to do next; empty when there is nothing to do."""
    is_well: bool = True
