"""What a job can reach: the services, the client, and the attempt it is part of.

To add a service: a field of `Services`, and a line in `open_services`. This is the one place that
knows which implementation the settings ask for; a job never does.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arq.connections import RedisSettings

from app.engine import Attempt, Client, Codec, Job
from app.local.home import prepare_home
from app.local.signing import signing_key
from app.local.socket import socket_path
from app.local.valkey import open_valkey
from app.observability.health import Health
from app.queues import NAMES
from app.services.ai import Assistant, RuleAssistant
from app.services.calendar.feed import FeedCalendar
from app.services.calendar.folder import FolderCalendar
from app.services.calendar.source import CalendarSource
from app.services.calendar.sync import CalendarSync
from app.services.files import Files
from app.services.logs import Logs
from app.services.mail import Mail, MailSender, Outbox
from app.services.mail.local import MaildirMailbox, MaildirSender
from app.services.mail.smtp import Security, SmtpSender
from app.services.notifications import Notifications
from app.services.tasks import Tasks
from app.settings import Settings
from app.storage.database import Database
from app.storage.users import User, Users


@dataclass(frozen=True, kw_only=True)
class Services:
    """Opened once a process, by the task that closes them."""

    client: Client
    database: Database
    users: Users
    tasks: Tasks
    ai: Assistant
    mail: Mail
    calendar: CalendarSync
    files: Files
    logs: Logs
    notifications: Notifications
    health: Health


@dataclass(frozen=True, kw_only=True)
class Context(Services):
    """Handed to every job as its first argument, fresh for each attempt."""

    attempt: Attempt


def context_of(services: Services, attempt: Attempt) -> Context:
    """The context of one attempt."""
    return Context(**vars(services), attempt=attempt)


def redis_at(settings: Settings) -> RedisSettings:
    """Where the server is or would be; starts nothing."""
    url = settings.redis.url
    if url is not None:
        return RedisSettings.from_dsn(url.get_secret_value())
    return RedisSettings(unix_socket_path=str(socket_path(settings.home.resolve())))


@asynccontextmanager
async def open_redis(settings: Settings) -> AsyncGenerator[RedisSettings]:
    """The server of the settings' URL, or the home's own Valkey for as long as it is needed."""
    if settings.redis.url is not None:
        yield redis_at(settings)
    else:
        async with open_valkey(settings.home) as redis:
            yield redis


def make_codec(settings: Settings) -> Codec:
    """Signs with the settings' keys, or with the home's own."""
    keys = [key.get_secret_value().encode() for key in settings.signing.keys]
    return Codec(keys or [signing_key(prepare_home(settings.home))])


@asynccontextmanager
async def open_client(
    settings: Settings, *, jobs: Mapping[str, Job[Any, ..., Any]] | None = None
) -> AsyncGenerator[Client]:
    """A client for application code: enqueue, look up, cancel.

    With `jobs`, any other job is refused, and results found by id have their types.
    """
    codec = make_codec(settings)
    async with (
        open_redis(settings) as redis,
        Client.open(redis, codec, jobs=jobs, queues=NAMES) as client,
    ):
        yield client


@asynccontextmanager
async def open_services(settings: Settings, client: Client) -> AsyncGenerator[Services]:
    """Everything a job can reach; the database is migrated and the owner known before it opens."""
    home = prepare_home(settings.home)
    now = client.store.clock.now
    async with Database.open(home / "steward.db") as database:
        await database.migrate()
        users = Users(database, now=now)
        owner = await users.ensure_owner(**settings.owner.model_dump())
        mail = _mail(settings, home, database, client)
        yield Services(
            client=client,
            database=database,
            users=users,
            tasks=Tasks(database, now=now),
            ai=RuleAssistant(),
            mail=mail,
            calendar=CalendarSync(database, _sources(settings, home, owner), now=now),
            files=_files(settings, home, client),
            logs=Logs(home / "logs", keep=settings.files.log_keep, now=now),
            notifications=Notifications(database, mail.outbox, now=now),
            health=Health(database, client, home, now=now),
        )


def _mail(settings: Settings, home: Path, database: Database, client: Client) -> Mail:
    outbox = Outbox(database, _sender(settings, home), now=client.store.clock.now)
    return Mail(outbox=outbox, mailbox=MaildirMailbox(home / "mail"))


def _sender(settings: Settings, home: Path) -> MailSender:
    smtp = settings.mail.smtp
    if not smtp.host:
        return MaildirSender(home / "mail", address=settings.mail.sender)
    return SmtpSender(
        address=settings.mail.sender,
        host=smtp.host,
        port=smtp.port,
        username=smtp.username,
        password=smtp.password.get_secret_value(),
        security=Security(smtp.security.value),
    )


def _sources(settings: Settings, home: Path, owner: User) -> dict[int, list[CalendarSource]]:
    feeds = [FeedCalendar(each.get_secret_value()) for each in settings.calendar.feeds]
    return {owner.id: [FolderCalendar(home / "calendar"), *feeds]}


def _files(settings: Settings, home: Path, client: Client) -> Files:
    folders = settings.files.temp_folders or (home / "tmp",)
    return Files(folders, temp_keep=settings.files.temp_keep, now=client.store.clock.now)
