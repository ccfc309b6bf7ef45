"""What a job can reach: the services, the client, and the attempt it is part of.

To add a service: a field of `Services`, and a line in `open_services`. Which implementation the
settings ask for is known in this folder alone, a file a domain (`mail`, `calendar`, `files`); a job
never knows.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar, TypeVarTuple

from app.connection import database_at, make_codec, open_client, open_redis, redis_at
from app.context.ai import open_assistant
from app.context.alerts import alert_channels, open_alerting
from app.context.calendar import open_calendar
from app.context.files import open_backups, open_file_sync, open_files, open_organizer
from app.context.health import open_health, providers_of
from app.context.mail import mail_once, open_mail
from app.context.notes import open_notes
from app.context.notifications import ensure_ways, open_notifications
from app.context.preferences import open_preferences
from app.context.upkeep import open_history, open_sessions
from app.engine import ASK, Attempt, Client, InDoubt
from app.local.home import prepare_home
from app.observability.alert_channels import AlertChannels
from app.observability.alerting import Alerting
from app.observability.health import Health
from app.observability.probe import Probe
from app.services.ai import Assistant
from app.services.backup import Backups
from app.services.calendar.sync import CalendarSync
from app.services.file_sync import FileSync
from app.services.files import Files
from app.services.logs import Logs
from app.services.mail import Mail
from app.services.notes import NotesSync
from app.services.notifications import Notifier
from app.services.organizer import Organizer
from app.services.preferences import PreferenceSync
from app.services.rests import Rests
from app.services.sms import Sms
from app.services.tasks import Tasks
from app.settings import Settings
from app.storage.cache import Cache
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.failures import Failures
from app.storage.history import History
from app.storage.optimizer import Optimizer
from app.storage.outbox import Outbox as RunOutbox
from app.storage.sessions import Sessions
from app.storage.users import Users

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

__all__ = [
    "Context",
    "Services",
    "context_of",
    "mail_once",
    "make_codec",
    "open_client",
    "open_redis",
    "open_services",
    "redis_at",
]


@dataclass(frozen=True, kw_only=True)
class Services:
    """Opened once a process, by the task that closes them."""

    client: Client
    database: Database
    outbox: RunOutbox
    """Enqueues within a transaction of the database."""
    users: Users
    tasks: Tasks
    ai: Assistant
    mail: Mail
    calendar: CalendarSync
    notes: NotesSync
    preferences: PreferenceSync
    files: Files
    backups: Backups
    organizer: Organizer
    file_sync: FileSync
    logs: Logs
    other_logs: Logs
    """Those of other programs, where the settings name any."""
    notifications: Notifier
    sms: Sms
    rests: Rests
    """The accounts that are left alone while they refuse us, or have asked for it."""
    health: Health
    probe: Probe
    failures: Failures
    alerting: Alerting
    alert_channels: AlertChannels
    effects: Effects
    sessions: Sessions
    cache: Cache
    """What can be had again, but at a cost."""
    history: History
    optimizer: Optimizer


@dataclass(frozen=True, kw_only=True)
class Context(Services):
    """Handed to every job as its first argument, fresh for each attempt."""

    attempt: Attempt

    async def once(
        self,
        name: str,
        act: Callable[[*Ts], Awaitable[T]],
        /,
        *args: *Ts,
        in_doubt: InDoubt = ASK,
        shared: bool = False,
        not_done: tuple[type[Exception], ...] = (),
    ) -> T | None:
        """Do something to the world outside that should happen once: see `Attempt.once`."""
        return await self.attempt.once(
            name, act, *args, in_doubt=in_doubt, shared=shared, not_done=not_done
        )

    async def step(
        self,
        name: str,
        function: Callable[P, Awaitable[T]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call the function, unless an earlier attempt of this run did: see `Attempt.step`."""
        return await self.attempt.step(name, function, *args, **kwargs)


def context_of(services: Services, attempt: Attempt) -> Context:
    """The context of one attempt."""
    return Context(**vars(services), attempt=attempt)


@asynccontextmanager
async def open_services(settings: Settings, client: Client) -> AsyncGenerator[Services]:
    """Everything a job can reach; the database is migrated and the owner known before it opens."""
    home = prepare_home(settings.home)
    now = client.store.clock.now
    async with (
        Database.open(database_at(settings)) as database,
        open_assistant(settings, database, now=now) as ai,
    ):
        await database.migrate()
        users = Users(database, now=now)
        owner = await users.ensure_owner(**settings.owner.model_dump())
        await ensure_ways(settings, database, owner)
        rests = Rests(Cache(database, now=now), now=now)
        mail = open_mail(settings, home, database, client, rests)
        notifications, sms = open_notifications(settings, database, client, mail)
        calendar = open_calendar(settings, home, owner, database, rests, now)
        notes = open_notes(settings, home, database, now)
        providers = providers_of(settings, ai, mail, calendar, notes, sms)
        yield Services(
            client=client,
            database=database,
            outbox=RunOutbox(database, client, now=now),
            users=users,
            tasks=Tasks(
                database, pause_after=settings.ai.pause_after, keep=settings.ai.keep, now=now
            ),
            ai=ai,
            mail=mail,
            calendar=calendar,
            notes=notes,
            preferences=open_preferences(settings, home, database, now),
            files=open_files(settings, home, client),
            backups=open_backups(settings, home, database, now=now),
            organizer=open_organizer(settings, home, now=now),
            file_sync=open_file_sync(settings, home, database),
            other_logs=Logs(*settings.files.log_folders, keep=settings.files.log_keep, now=now),
            logs=Logs(home / "logs", keep=settings.files.log_keep, now=now),
            notifications=notifications,
            sms=sms,
            rests=rests,
            health=open_health(settings, home, database, client, providers),
            probe=Probe(database, client, now=now),
            failures=Failures(database, now=now),
            alerting=open_alerting(settings, database, client, now),
            alert_channels=alert_channels(settings, mail.outbox, users, now),
            effects=Effects(database, now=now),
            sessions=open_sessions(settings, database, now),
            cache=Cache(database, now=now),
            history=open_history(settings, database, now),
            optimizer=Optimizer(database, within=settings.database.upkeep_within, now=now),
        )
