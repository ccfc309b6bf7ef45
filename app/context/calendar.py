"""Which calendars the settings ask for."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from app.context.health import account_of
from app.services.calendar.caldav import CalDavAccount, CalDavServer
from app.services.calendar.feed import FeedCalendar
from app.services.calendar.folder import FolderCalendar
from app.services.calendar.resting import RestingSource
from app.services.calendar.source import CalendarSource
from app.services.calendar.sync import CalendarSync
from app.services.rests import Rests
from app.settings import Settings
from app.storage.cache import Cache
from app.storage.clock import Now
from app.storage.database import Database
from app.storage.mirror import MirrorBook
from app.storage.users import User


def open_calendar(
    settings: Settings, home: Path, owner: User, database: Database, rests: Rests, now: Now
) -> CalendarSync:
    """The users' calendars."""
    accounts = [
        (each, rests.of(name="calendar", account=_account(settings, each), label=each.label))
        for each in _accounts(settings, home, owner, database)
    ]
    sources: list[CalendarSource] = [_folder(home)]
    sources += [RestingSource(each, rest) for each, rest in accounts]
    return CalendarSync(
        database, {owner.id: sources}, rests=[rest for _, rest in accounts], now=now
    )


def _account(settings: Settings, source: CalendarSource) -> str:
    """What tells it from others; a feed's name is made of its address, which is all of it."""
    if isinstance(source, CalDavAccount):
        return account_of(settings, settings.calendar.caldav)
    return source.name


def _folder(home: Path) -> FolderCalendar:
    """For events that need no account; it is made where there is none."""
    with suppress(FileExistsError):  # a link to a disk that is away just now
        (home / "calendar").mkdir(mode=0o700, exist_ok=True)
    return FolderCalendar(home / "calendar")


def _accounts(
    settings: Settings, home: Path, owner: User, database: Database
) -> list[CalendarSource]:
    """Those that the settings name."""
    cache = Cache(database)
    feeds = [FeedCalendar(e.get_secret_value(), cache=cache) for e in settings.calendar.feeds]
    accounts: list[CalendarSource] = [*feeds]
    caldav = settings.calendar.caldav
    if caldav.url:
        server = CalDavServer(
            caldav.url,
            username=caldav.username,
            password=caldav.password.get_secret_value(),
            token=caldav.token.get_secret_value(),
        )
        book = partial(MirrorBook, database, owner.id)
        accounts.append(CalDavAccount(server, caldav.username, home / "caldav", book))
    return accounts
