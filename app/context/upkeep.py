"""How long the settings keep what is over."""

from app.settings import Settings
from app.storage.clock import Now
from app.storage.database import Database
from app.storage.history import History
from app.storage.sessions import Sessions


def open_sessions(settings: Settings, database: Database, now: Now) -> Sessions:
    """Who is logged in."""
    asked = settings.sessions
    return Sessions(database, lifetime=asked.lifetime, idle=asked.idle, now=now)


def open_history(settings: Settings, database: Database, now: Now) -> History:
    """What is remembered of the past."""
    asked = settings.history
    return History(
        database,
        keep=asked.keep,
        keep_notices=asked.keep_notices,
        keep_messages=asked.keep_messages,
        now=now,
    )
