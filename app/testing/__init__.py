"""Fixtures for testing jobs, ours and yours: `pytest -p app.testing`.

clock            a clock that only you move: `clock.advance(hours(1))`
redis_settings   a Valkey of the test session's own
clean_redis      the same, emptied before the test
codec, client    a client of it
context          every service in memory or on a scratch database, for calling a job as a function

`next_try(context)` is the context of the same run, tried again: what it has done once or as a step,
it has not to do again.
"""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from arq.connections import RedisSettings

from app.context import Context, Services, context_of
from app.context.notifications import POST_ONCE, SMS_ONCE, make_sms
from app.engine import Attempt, Client, Codec, ManualClock
from app.local.valkey import open_valkey
from app.observability.alert_channels import Addresses, AlertChannels
from app.observability.alerting import Alerting
from app.observability.health import Health
from app.observability.probe import Probe
from app.services.ai import RuleAssistant
from app.services.backup import Backups, Retention
from app.services.backup.scope import Scope
from app.services.calendar.memory import MemoryCalendar
from app.services.calendar.sync import CalendarSync
from app.services.file_sync import FileSync
from app.services.files import Files
from app.services.logs import Logs
from app.services.mail import Mail, Outbox
from app.services.mail.memory import MemoryMailbox, MemorySender
from app.services.mail.sync import MailSync
from app.services.notes import NotesSync
from app.services.notifications import Notifications, Parcels
from app.services.notifications.memory import MemoryCarrier
from app.services.notifications.posts import PostOutbox
from app.services.organizer import Organizer
from app.services.preferences import PreferenceSync
from app.services.sms import SmsOutbox
from app.services.sms.memory import MemorySms
from app.services.tasks import Tasks
from app.services.web_guard import WebGuard
from app.services.web_post import Poster
from app.storage.alerts import Alerts
from app.storage.cache import Cache
from app.storage.database import Database
from app.storage.effects import Effects
from app.storage.failures import Failures
from app.storage.history import History
from app.storage.optimizer import Optimizer
from app.storage.outbox import Outbox as RunOutbox
from app.storage.sessions import Sessions
from app.storage.users import User, Users

_KEY = b"a key that only tests sign with"


@pytest.fixture(scope="session")
def redis_home() -> Generator[Path]:
    """Where the session's Valkey lives: a path short enough for its socket."""
    folder = Path(tempfile.mkdtemp(prefix="steward-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def redis_settings(redis_home: Path) -> AsyncGenerator[RedisSettings]:
    """A Valkey that lives as long as the test session."""
    async with open_valkey(redis_home) as settings:
        yield settings


@pytest.fixture
async def clean_redis(redis_settings: RedisSettings) -> RedisSettings:
    """The session's Valkey, emptied."""
    async with Client.open(redis_settings, Codec([_KEY])) as anybody:
        await anybody.store.redis.flushdb()
    return redis_settings


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves when the test says so, and with real time."""
    return ManualClock()


@pytest.fixture
def codec() -> Codec:
    """Seals with a key of the tests'."""
    return Codec([_KEY])


@pytest.fixture
async def client(
    clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[Client]:
    """A client of an empty Redis, for all jobs and queues."""
    async with Client.open(clean_redis, codec, clock=clock) as opened:
        yield opened


@pytest.fixture(scope="session")
async def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with every table and no rows, made once and copied by `database`."""
    path = tmp_path_factory.mktemp("migrated") / "steward.db"
    async with Database.open(path) as database:
        await database.migrate()
    return path


@pytest.fixture
async def database(migrated: Path, tmp_path: Path) -> AsyncGenerator[Database]:
    """An empty, migrated database of the test's own."""
    path = tmp_path / "steward.db"
    shutil.copy(migrated, path)
    async with Database.open(path) as opened:
        yield opened


@pytest.fixture
def sender() -> MemorySender:
    """Where outgoing mail is kept."""
    return MemorySender()


@pytest.fixture
def mailbox() -> MemoryMailbox:
    """Where incoming mail is put."""
    return MemoryMailbox()


@pytest.fixture
def phones() -> MemorySms:
    """Where outgoing SMS are kept."""
    return MemorySms()


@pytest.fixture
def carrier() -> MemoryCarrier:
    """Where posts to Slack and to webhooks are kept."""
    return MemoryCarrier()


@pytest.fixture
def parcels(
    database: Database, phones: MemorySms, carrier: MemoryCarrier, clock: ManualClock
) -> Parcels:
    """SMS, Slack and webhooks."""
    return Parcels(
        database,
        sms=SmsOutbox(database, phones, now=clock.now, once=SMS_ONCE),
        posts=PostOutbox(database, carrier, now=clock.now, once=POST_ONCE),
        now=clock.now,
    )


@pytest.fixture
def calendar() -> MemoryCalendar:
    """The owner's calendar."""
    return MemoryCalendar()


@pytest.fixture
async def owner(database: Database, clock: ManualClock) -> User:
    """The first user."""
    users = Users(database, now=clock.now)
    return await users.ensure_owner(name="Ann", address="ann@example.com", timezone="UTC")


@pytest.fixture
def services(
    client: Client,
    database: Database,
    clock: ManualClock,
    owner: User,
    sender: MemorySender,
    mailbox: MemoryMailbox,
    calendar: MemoryCalendar,
    parcels: Parcels,
    tmp_path: Path,
) -> Services:
    """Every service, with nothing behind it that leaves the machine."""
    outbox = Outbox(database, sender, now=clock.now)
    return Services(
        client=client,
        database=database,
        outbox=RunOutbox(database, client, now=clock.now),
        users=Users(database, now=clock.now),
        tasks=Tasks(database, now=clock.now),
        ai=RuleAssistant(),
        mail=Mail(
            outbox=outbox,
            mailboxes=(mailbox,),
            sync=MailSync(database, (mailbox,), now=clock.now),
        ),
        calendar=CalendarSync(database, {owner.id: [calendar]}, now=clock.now),
        preferences=PreferenceSync(database, tmp_path / "preferences", now=clock.now),
        notes=NotesSync(database, tmp_path / "notes", now=clock.now),
        files=Files([tmp_path / "tmp"], now=clock.now),
        backups=Backups(
            database,
            lambda owner: Scope(home=tmp_path, owner=owner),
            tmp_path / "backups",
            retention=Retention(count=3),
            now=clock.now,
        ),
        organizer=Organizer(tmp_path / "incoming", tmp_path / "files", now=clock.now),
        file_sync=FileSync(database, tmp_path / "files", tmp_path / "disk"),
        other_logs=Logs(tmp_path / "other_logs", now=clock.now),
        logs=Logs(tmp_path / "logs", now=clock.now),
        notifications=Notifications(database, outbox, parcels, now=clock.now),
        sms=make_sms(database, parcels, client),
        health=Health(database, client, tmp_path, now=clock.now),
        probe=Probe(database, client, now=clock.now),
        failures=Failures(database, now=clock.now),
        alerting=Alerting(database, client, Alerts(database, now=clock.now), now=clock.now),
        alert_channels=AlertChannels(
            Addresses(),
            outbox=outbox,
            users=Users(database, now=clock.now),
            poster=Poster(WebGuard()),
            now=clock.now,
        ),
        effects=Effects(database, now=clock.now),
        sessions=Sessions(database, now=clock.now),
        cache=Cache(database, now=clock.now),
        history=History(database, now=clock.now),
        optimizer=Optimizer(database, now=clock.now),
    )


@pytest.fixture
def attempt(clock: ManualClock) -> Attempt:
    """The first try of a run that is due now; `msgspec.structs.replace` makes another."""
    now = clock.now_ms()
    return Attempt(
        run_id="run-1",
        job="test.job",
        queue="default",
        number=1,
        attempts=4,
        enqueued_ms=now,
        due_ms=now,
        deadline_ms=now + 300_000,
        worker="test",
    )


@pytest.fixture
def context(services: Services, attempt: Attempt) -> Context:
    """What a job is called with."""
    return context_of(services, attempt)


def next_try(context: Context) -> Context:
    """The context of the next attempt of the same run."""
    number = context.attempt.number + 1
    return replace(context, attempt=msgspec.structs.replace(context.attempt, number=number))
