"""Whom the settings want to be told of alerts, and of which."""

from typing import Final

from app.engine import Client
from app.observability.alert_channels import Addresses, AlertChannels
from app.observability.alerting import Alerting
from app.observability.rules import RULES, by_mail
from app.services.mail import Outbox
from app.services.web_guard import WebGuard
from app.services.web_post import Poster
from app.settings import Settings
from app.storage.address import parse_address
from app.storage.alerts import Alerts, Severity
from app.storage.clock import Now
from app.storage.database import Database
from app.storage.users import Users

_BY_MAIL: Final = {
    "critical": frozenset({Severity.CRITICAL}),
    "warning": frozenset(Severity),
    "never": frozenset[Severity](),
}


def alert_channels(settings: Settings, outbox: Outbox, users: Users, now: Now) -> AlertChannels:
    """The channels; what the settings name may be at home."""
    slack = settings.alerts.slack.get_secret_value()
    webhook = settings.alerts.webhook.get_secret_value()
    return AlertChannels(
        Addresses(
            mail=tuple(map(parse_address, settings.alerts.mail_to)),
            slack=slack,
            webhook=webhook,
            webhook_key=settings.alerts.webhook_key.get_secret_value(),
        ),
        outbox=outbox,
        users=users,
        poster=Poster(WebGuard(trusted=[url for url in (slack, webhook) if url])),
        now=now,
    )


def open_alerting(settings: Settings, database: Database, client: Client, now: Now) -> Alerting:
    """The rules, of which those that are bad enough go by mail, too."""
    alerts = Alerts(
        database, cooldown=settings.alerts.cooldown, repeat=settings.alerts.repeat, now=now
    )
    rules = by_mail(RULES, _BY_MAIL[settings.alerts.by_mail])
    return Alerting(database, client, alerts, rules=rules, now=now)
