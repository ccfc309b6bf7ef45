"""Whom the health check asks: all of Steward, and those outside whom the settings name."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from app.connection import own_keys
from app.engine import Client
from app.observability.health import Health
from app.observability.providers import Provider, Providers, Try
from app.services.ai import Assistant
from app.services.calendar.sync import CalendarSync
from app.services.mail import Mail
from app.services.notes import NotesSync
from app.services.sms import Sms
from app.settings import Settings
from app.settings.secrets import secrets_in
from app.settings.sections.section import Section
from app.storage.cache import Cache
from app.storage.database import Database


def open_health(
    settings: Settings,
    home: Path,
    database: Database,
    client: Client,
    providers: Sequence[Provider],
) -> Health:
    """The health check."""
    now = client.store.clock.now
    return Health(
        database,
        client,
        home,
        accepted=settings.redis.accept,
        providers=Providers(providers, cache=Cache(database, now=now), now=now),
        now=now,
    )


def providers_of(
    settings: Settings,
    ai: Assistant,
    mail: Mail,
    calendar: CalendarSync,
    notes: NotesSync,
    sms: Sms,
) -> tuple[Provider, ...]:
    """All that there may be; of those that nobody named that is known, too.

    What was heard with other settings means nothing with these.
    """

    def provider(name: str, section: Section, named: object, attempt: Try) -> Provider:
        account = account_of(settings, section)
        return Provider(name=name, attempt=attempt if named else None, account=account)

    caldav, feeds = settings.calendar.caldav.url, settings.calendar.feeds
    smtp, imap = settings.mail.smtp.host, settings.mail.imap.host
    return (
        provider("ai", settings.ai, settings.ai.model, ai.reach),
        provider("mail", settings.mail, smtp or imap, mail.reach),
        provider("calendar", settings.calendar, caldav or feeds, calendar.try_accounts),
        provider("notes", settings.notes, settings.notes.notion.database, notes.try_account),
        provider("sms", settings.sms, settings.sms.account_sid, sms.try_provider),
    )


def account_of(settings: Settings, section: Section) -> str:
    """What tells an account from the same with another password.

    It is made with Steward's own key, without which nobody can try passwords on it.
    """
    parts = (section.model_dump_json(), *secrets_in(section))  # secrets are stars in JSON
    key = blake2b(own_keys(settings)[0], person=b"steward account").digest()
    told = b"".join(len(each.encode()).to_bytes(8) + each.encode() for each in parts)
    return blake2b(told, key=key, digest_size=16).hexdigest()
