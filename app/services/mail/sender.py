"""The way out for mail, whatever lies behind it: a folder, an SMTP server, a test's memory."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.services.mail.message import Message
from app.storage.address import Address


@dataclass(frozen=True, slots=True)
class Receipt:
    """The mail was accepted."""

    message_id: str
    detail: str
    """What the server answered, or where the mail lies."""


class MailSender(Protocol):
    """Sends mail as `address`."""

    @property
    def address(self) -> Address:
        """Whose name the mail goes out under."""
        ...

    @property
    def plan(self) -> str:
        """What sending or a check will do, in a few words, without a secret."""
        ...

    @property
    def kept_in(self) -> str:
        """The folder that mail stays in, for want of a server; empty where it goes out."""
        ...

    async def send(self, message: Message, *, message_id: str, date: datetime) -> Receipt:
        """Return once the mail is accepted for all its recipients; raise otherwise."""
        ...

    async def check(self) -> str:
        """Try it without sending: one line on what works, or a `MailError` naming the setting."""
        ...
