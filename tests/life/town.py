"""What is around a home: a mail account, a provider of SMS, a calendar and notes elsewhere, a site.

All of them are real servers on this machine; the settings of the home name them.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from app.services.mail.imap import Account
from tests.dovecot import Dovecot, dovecot
from tests.notion import DATABASE, TOKEN, Notion, notion
from tests.observability.hooks import Hooks, hooks
from tests.radicale import PASSWORD, USER, Radicale, radicale, ready
from tests.services.mail.capture import Capture, smtp_server
from tests.services.sms.twilio_like import ACCOUNT, SENDER, TwilioLike, twilio_like
from tests.services.sms.twilio_like import TOKEN as SMS_TOKEN

PHONE = "+4915112345678"


@dataclass(frozen=True, kw_only=True)
class Town:
    """The servers, and what has arrived at them."""

    outgoing: Capture
    """Where mail goes out."""
    incoming: Dovecot
    """Where mail comes in, for this account."""
    account: Account
    phones: TwilioLike
    calendars: Radicale
    pages: Notion
    site: Hooks
    """Where alerts are posted."""

    def settings(self) -> dict[str, Any]:
        """What a home here is told; its mail account is read, and left as it is."""
        imap = {
            "host": "127.0.0.1",
            "port": self.incoming.port,
            "username": self.account.username,
            "password": self.account.password,
            "security": "none",
        }
        smtp = {"host": "127.0.0.1", "port": self.outgoing.port, "security": "none"}
        return {
            "mail": {"imap": imap, "smtp": smtp},
            "sms": {
                "base_url": self.phones.url,
                "account_sid": ACCOUNT,
                "auth_token": SMS_TOKEN,
                "sender": SENDER,
            },
            "notify": {"phone": PHONE},
            "calendar": {
                "caldav": {"url": self.calendars.url, "username": USER, "password": PASSWORD}
            },
            "notes": {"notion": {"token": TOKEN, "database": DATABASE, "address": self.pages.url}},
            "alerts": {"slack": self.site.url("slack"), "webhook": self.site.url("hook")},
        }


@asynccontextmanager
async def a_town() -> AsyncGenerator[Town]:
    """All of it, while the block lasts."""
    async with AsyncExitStack() as stack:
        calendars = stack.enter_context(radicale())
        incoming = stack.enter_context(dovecot())
        town = Town(
            outgoing=await stack.enter_async_context(smtp_server(Capture())),
            incoming=incoming,
            account=incoming.account(),
            phones=await stack.enter_async_context(twilio_like()),
            calendars=calendars,
            pages=await stack.enter_async_context(notion()),
            site=await stack.enter_async_context(hooks()),
        )
        await ready(calendars)
        await calendars.make_calendar("work", "Work")
        yield town
