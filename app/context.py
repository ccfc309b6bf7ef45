"""What a job can reach: the services, the client, and the attempt it is part of.

To add a service: a field of `Services`, and a line in `open_services`. This is the one place that
knows which implementation the settings ask for; a job never does.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar, TypeVarTuple

from app.connection import make_codec, open_client, open_redis, redis_at
from app.engine import ASK, Attempt, Client, InDoubt, NeedsReview, current_attempt
from app.local.home import prepare_home
from app.observability.health import Health
from app.services.ai import Assistant, RuleAssistant
from app.services.calendar.feed import FeedCalendar
from app.services.calendar.folder import FolderCalendar
from app.services.calendar.source import CalendarSource
from app.services.calendar.sync import CalendarSync
from app.services.files import Files
from app.services.logs import Logs
from app.services.mail import (
    LoginRefused,
    Mail,
    MailInDoubt,
    MailRefused,
    MailSender,
    MailTrouble,
    Once,
    Outbox,
    Receipt,
)
from app.services.mail.local import MaildirMailbox, MaildirSender
from app.services.mail.smtp import Security, SmtpSender
from app.services.notifications import Notifications
from app.services.tasks import Tasks
from app.settings import Settings
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.outbox import Outbox as RunOutbox
from app.storage.users import User, Users

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_NOT_SENT = (LoginRefused, MailRefused, MailTrouble)  # all that goes wrong before a server has it

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
    files: Files
    logs: Logs
    notifications: Notifications
    health: Health
    effects: Effects


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
    async with Database.open(home / "steward.db") as database:
        await database.migrate()
        users = Users(database, now=now)
        owner = await users.ensure_owner(**settings.owner.model_dump())
        mail = _mail(settings, home, database, client)
        yield Services(
            client=client,
            database=database,
            outbox=RunOutbox(database, client, now=now),
            users=users,
            tasks=Tasks(database, now=now),
            ai=RuleAssistant(),
            mail=mail,
            calendar=CalendarSync(database, _sources(settings, home, owner), now=now),
            files=_files(settings, home, client),
            logs=Logs(home / "logs", keep=settings.files.log_keep, now=now),
            notifications=Notifications(database, mail.outbox, now=now),
            health=Health(database, client, home, accepted=settings.redis.accept, now=now),
            effects=Effects(database, now=now),
        )


def mail_once(in_doubt: InDoubt) -> Once:
    """Sends as an effect of the run at work, whichever run it is: a mail has a key of its own."""

    async def once(key: str, send: Callable[[], Awaitable[Receipt]], /) -> Receipt | None:
        attempt = current_attempt.get()
        if attempt is None:  # nobody who would come again
            return await send()
        try:
            return await attempt.once(
                f"mail:{key}", send, in_doubt=in_doubt, shared=True, not_done=_NOT_SENT
            )
        except NeedsReview as error:
            raise MailInDoubt(str(error)) from error

    return once


def _mail(settings: Settings, home: Path, database: Database, client: Client) -> Mail:
    outbox = Outbox(
        database,
        _sender(settings, home),
        now=client.store.clock.now,
        once=mail_once(InDoubt(settings.mail.in_doubt)),
    )
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
