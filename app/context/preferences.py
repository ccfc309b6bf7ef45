"""Where users write down what they prefer, and what of the owner's the settings decide."""

from pathlib import Path

from app.services.preferences import PreferenceSync
from app.settings import PREFIX, Settings
from app.storage.clock import Now
from app.storage.database import Database


def open_preferences(
    settings: Settings, home: Path, database: Database, now: Now
) -> PreferenceSync:
    """The home's folder of preferences."""
    settled = {"timezone": f"{PREFIX}OWNER__TIMEZONE"}
    if settings.owner.quiet_hours:
        settled["quiet_hours"] = f"{PREFIX}OWNER__QUIET_HOURS"
    if settings.notify.notices:
        settled["notices"] = f"{PREFIX}NOTIFY__NOTICES"
    return PreferenceSync(database, home / "preferences", settled=settled, now=now)
