"""Fixtures of every service that a job can reach; nothing behind them leaves the machine."""

from pathlib import Path

import pytest

from app.context import Context, Services, context_of
from app.context.notifications import make_sms
from app.engine import Attempt, Client, ManualClock
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
from app.services.notifications import Notifier, Parcels
from app.services.organizer import Organizer
from app.services.preferences import PreferenceSync
from app.services.rests import Rests
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


@pytest.fixture
def mail(
    database: Database, clock: ManualClock, sender: MemorySender, mailbox: MemoryMailbox
) -> Mail:
    """Mail, out and in."""
    return Mail(
        outbox=Outbox(database, sender, now=clock.now),
        mailboxes=(mailbox,),
        sync=MailSync(database, (mailbox,), now=clock.now),
    )


@pytest.fixture
def backups(database: Database, clock: ManualClock, tmp_path: Path) -> Backups:
    """Backups of the test's folder, in it."""
    return Backups(
        database,
        lambda owner: Scope(home=tmp_path, owner=owner),
        tmp_path / "backups",
        retention=Retention(count=3),
        now=clock.now,
    )


@pytest.fixture
def alert_channels(database: Database, clock: ManualClock, mail: Mail) -> AlertChannels:
    """The channels of alerts: mail to the owner."""
    return AlertChannels(
        Addresses(),
        outbox=mail.outbox,
        users=Users(database, now=clock.now),
        poster=Poster(WebGuard()),
        now=clock.now,
    )


@pytest.fixture
def services(
    client: Client,
    database: Database,
    clock: ManualClock,
    owner: User,
    mail: Mail,
    calendar: MemoryCalendar,
    parcels: Parcels,
    backups: Backups,
    alert_channels: AlertChannels,
    tmp_path: Path,
) -> Services:
    """Every service, with nothing behind it that leaves the machine."""
    return Services(
        client=client,
        database=database,
        outbox=RunOutbox(database, client, now=clock.now),
        users=Users(database, now=clock.now),
        tasks=Tasks(database, now=clock.now),
        ai=RuleAssistant(),
        mail=mail,
        calendar=CalendarSync(database, {owner.id: [calendar]}, now=clock.now),
        preferences=PreferenceSync(database, tmp_path / "preferences", now=clock.now),
        notes=NotesSync(database, tmp_path / "notes", now=clock.now),
        files=Files([tmp_path / "tmp"], now=clock.now),
        backups=backups,
        organizer=Organizer(tmp_path / "incoming", tmp_path / "files", now=clock.now),
        file_sync=FileSync(database, tmp_path / "files", tmp_path / "disk"),
        other_logs=Logs(tmp_path / "other_logs", now=clock.now),
        logs=Logs(tmp_path / "logs", now=clock.now),
        notifications=Notifier(database, mail.outbox, parcels, now=clock.now),
        sms=make_sms(database, parcels, client),
        rests=Rests(Cache(database, now=clock.now), now=clock.now),
        health=Health(database, client, tmp_path, now=clock.now),
        probe=Probe(database, client, now=clock.now),
        failures=Failures(database, now=clock.now),
        alerting=Alerting(database, client, Alerts(database, now=clock.now), now=clock.now),
        alert_channels=alert_channels,
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
