"""Which calendars the settings ask for."""

from pathlib import Path

from app.services.calendar.feed import FeedCalendar
from app.services.calendar.folder import FolderCalendar
from app.services.calendar.source import CalendarSource
from app.settings import Settings
from app.storage.users import User


def calendar_sources(
    settings: Settings, home: Path, owner: User
) -> dict[int, list[CalendarSource]]:
    """Where each user's events come from."""
    feeds = [FeedCalendar(each.get_secret_value()) for each in settings.calendar.feeds]
    return {owner.id: [FolderCalendar(home / "calendar"), *feeds]}
