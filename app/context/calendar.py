"""Which calendars the settings ask for."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from app.services.calendar.caldav import CalDavAccount, CalDavServer
from app.services.calendar.feed import FeedCalendar
from app.services.calendar.folder import FolderCalendar
from app.services.calendar.source import CalendarSource
from app.services.calendar.sync import CalendarSync
from app.settings import Settings
from app.storage.cache import Cache
from app.storage.clock import Now
from app.storage.database import Database
from app.storage.mirror import MirrorBook
from app.storage.users import User


def open_calendar(
    settings: Settings, home: Path, owner: User, database: Database, now: Now
) -> CalendarSync:
    """The users' calendars."""
    return CalendarSync(database, _sources(settings, home, owner, database), now=now)


def _sources(
    settings: Settings, home: Path, owner: User, database: Database
) -> dict[int, list[CalendarSource]]:
    """Where each user's events come from; makes the folder for those that need no account."""
    with suppress(FileExistsError):  # a link to a disk that is away just now
        (home / "calendar").mkdir(mode=0o700, exist_ok=True)
    cache = Cache(database)
    feeds = [FeedCalendar(e.get_secret_value(), cache=cache) for e in settings.calendar.feeds]
    sources: list[CalendarSource] = [FolderCalendar(home / "calendar"), *feeds]
    caldav = settings.calendar.caldav
    if caldav.url:
        server = CalDavServer(
            caldav.url,
            username=caldav.username,
            password=caldav.password.get_secret_value(),
            token=caldav.token.get_secret_value(),
        )
        book = partial(MirrorBook, database, owner.id)
        sources.append(CalDavAccount(server, caldav.username, home / "caldav", book))
    return {owner.id: sources}
