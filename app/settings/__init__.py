"""Everything that can be configured; the only reader of the environment.

    sections   every setting: its type, its default, what it is for
    values     what a setting may be
    redis_url  ... and what the address of a Redis may say
    secrets    every secret among them, to be blanked
    reading    read_settings: from the environment and `.env`, or a line that says what is wrong

A variable is `STEWARD_` and the path to the setting, joined by two underscores:
`STEWARD_MAIL__SMTP__HOST`.
"""

from app.settings.reading import every_setting, read_settings
from app.settings.redis_url import RedisUrl, parse_redis_url
from app.settings.secrets import secrets_in
from app.settings.sections import (
    PREFIX,
    Ai,
    Alerts,
    Calendar,
    Database,
    Files,
    Imap,
    Log,
    Mail,
    Owner,
    Redis,
    Security,
    Settings,
    Signing,
    Smtp,
    Watch,
    WorkerProcess,
)

__all__ = [
    "PREFIX",
    "Ai",
    "Alerts",
    "Calendar",
    "Database",
    "Files",
    "Imap",
    "Log",
    "Mail",
    "Owner",
    "Redis",
    "RedisUrl",
    "Security",
    "Settings",
    "Signing",
    "Smtp",
    "Watch",
    "WorkerProcess",
    "every_setting",
    "parse_redis_url",
    "read_settings",
    "secrets_in",
]
