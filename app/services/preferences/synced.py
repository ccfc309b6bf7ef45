"""What a sync of preferences did."""

from dataclasses import dataclass
from enum import StrEnum


class PreferencesStatus(StrEnum):
    """How it went, on the whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    """Some files could not be applied; the others are."""
    FAILED = "failed"
    """There are files, and none of them could be applied."""
    NOT_CONFIGURED = "not_configured"
    """There is no file of preferences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesSynced:
    """Whose preferences were applied, and what changed by that."""

    status: PreferencesStatus = PreferencesStatus.SUCCESS
    users_synced: int = 0
    preferences_updated: int = 0
    failed: int = 0
    errors: tuple[str, ...] = ()
