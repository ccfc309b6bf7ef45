"""Where alerts are told: the log, mail, Slack, a webhook. Each is told by a run of its own.

An alert on the web is a POST, through the guard that keeps Steward from being sent to places it
should not reach; the addresses of the settings may be at home. A webhook gets JSON, signed as
Standard Webhooks are if there is a secret (see app.services.notifications.signature).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from app.engine import PermanentError
from app.observability.printable import printable
from app.services.alert_report import Channel, TellStatus, Told
from app.services.mail import Message, Outbox
from app.services.notifications.signature import signed
from app.services.web_post import Poster
from app.storage.address import Address
from app.storage.alerts import Alert, Severity
from app.storage.clock import Now, utc_now
from app.storage.users import Users

log = logging.getLogger("app.alerts")

_OK = range(200, 300)
_LATER = frozenset((408, 425, 429, *range(500, 600)))
_JSON = {"Content-Type": "application/json"}


class ChannelRefused(PermanentError):
    """Whoever should be told said no, and will say it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Whom to tell; what is empty is not configured, and mail goes to the owner then."""

    mail: Sequence[Address] = ()
    slack: str = ""
    webhook: str = ""
    webhook_key: str = ""


class AlertChannels:
    """Tells alerts."""

    def __init__(
        self,
        addresses: Addresses,
        *,
        outbox: Outbox,
        users: Users,
        poster: Poster,
        now: Now = utc_now,
    ) -> None:
        self._to = addresses
        self._outbox = outbox
        self._users = users
        self._poster = poster
        self._now = now

    async def tell(self, alert: Alert, channel: Channel, *, times: int) -> Told:
        """Tell it, the so-manieth time; raises what keeps it from being told now, or for good."""
        match channel:
            case Channel.LOG:
                return self._log(alert)
            case Channel.MAIL:
                return await self._mail(alert, times)
            case Channel.SLACK:
                return await self._slack(alert)
            case Channel.WEBHOOK:
                return await self._webhook(alert, times)

    def _log(self, alert: Alert) -> Told:
        level = logging.ERROR if alert.severity is Severity.CRITICAL else logging.WARNING
        log.log(level, "alert %d, %s: %s", alert.id, alert.rule, printable(alert.line))
        return _told(Channel.LOG, "in the log")

    async def _mail(self, alert: Alert, times: int) -> Told:
        owner = await self._users.owner()
        message = Message(
            to=tuple(self._to.mail) or (owner.address,),
            subject=f"[Steward] {alert.severity}: {alert.rule}",
            body=_letter(alert),
        )
        key = f"alert:{alert.id}:{times}"
        mail = await self._outbox.post(message, user_id=owner.id, key=key)
        if kept := self._outbox.kept_in:
            why = f"no mail server is set, so it is kept in {kept}"
            return _not_configured(Channel.MAIL, why)
        return _told(Channel.MAIL, mail.message_id)

    async def _slack(self, alert: Alert) -> Told:
        if not self._to.slack:
            return _not_configured(Channel.SLACK, "STEWARD_ALERTS__SLACK is empty")
        text = f"*{alert.severity}: {alert.rule}*\n{_escaped(printable(alert.line))}"
        said = {"text": text, "unfurl_links": False, "unfurl_media": False}  # fetch nothing
        return await self._post(Channel.SLACK, self._to.slack, said)

    async def _webhook(self, alert: Alert, times: int) -> Told:
        if not self._to.webhook:
            return _not_configured(Channel.WEBHOOK, "STEWARD_ALERTS__WEBHOOK is empty")
        key, secret = f"alert:{alert.id}:{times}", self._to.webhook_key
        return await self._post(Channel.WEBHOOK, self._to.webhook, alert, key=key, secret=secret)

    async def _post(
        self, channel: Channel, url: str, value: object, *, key: str = "", secret: str = ""
    ) -> Told:
        body = msgspec.json.encode(value)
        at = int(self._now().timestamp())
        signature = signed(secret, key=key, at=at, body=body) if secret else {}
        answer = await self._poster.ask(url, content=body, headers=_JSON | signature)
        if answer.status in _OK:
            return _told(channel, f"answered {answer.status}")
        said = f"{channel}: {answer.host} answered {answer.status}"
        raise ConnectionError(said) if answer.status in _LATER else ChannelRefused(said)


def _letter(alert: Alert) -> str:
    lines = [
        alert.line,
        "",
        f"since {alert.raised_at:%Y-%m-%d %H:%M} UTC, told {alert.told} times",
        f"`steward alerts ack {alert.id}` says that you see to it; then it is not told again.",
    ]
    return "\n".join(map(printable, lines))


def _escaped(text: str) -> str:
    """As Slack wants it, so that no name of a queue or machine is a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _told(channel: Channel, detail: str) -> Told:
    return Told(status=TellStatus.TOLD, channel=channel, detail=detail)


def _not_configured(channel: Channel, detail: str) -> Told:
    return Told(status=TellStatus.NOT_CONFIGURED, channel=channel, detail=detail)
