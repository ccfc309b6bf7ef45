"""Whom the settings want to be told of alerts."""

from app.observability.alert_channels import Addresses, AlertChannels
from app.services.mail import Outbox
from app.services.web_guard import WebGuard
from app.services.web_post import Poster
from app.settings import Settings
from app.storage.address import parse_address
from app.storage.clock import Now
from app.storage.users import Users


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
