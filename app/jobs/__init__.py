"""Every job a worker runs. Adding one: write it in its domain's file; a new file is listed here."""

from typing import Final

from app.engine import by_name, collect
from app.jobs import (
    ai,
    ai_upkeep,
    email,
    files,
    letters,
    maintenance,
    notifications,
    sms,
    sync,
    watch,
)

JOBS: Final = by_name(
    collect(ai, ai_upkeep, email, files, letters, maintenance, notifications, sms, sync, watch)
)
