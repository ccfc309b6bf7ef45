"""Logging as the settings want it, with all their secrets blanked."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.settings import Settings


def settings_with_logs(*, as_json: bool) -> "Settings":
    """The settings, with log lines shown on stderr from their level on."""
    from app.observability.logging import configure_logging
    from app.settings import read_settings, secrets_in

    settings = read_settings()
    configure_logging(settings.log.level, as_json=as_json, secrets=secrets_in(settings))
    return settings
