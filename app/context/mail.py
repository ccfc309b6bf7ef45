"""Which mail the settings ask for, and how a mail is an effect of the run that sends it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from app.engine import Client, InDoubt, NeedsReview, current_attempt
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
from app.settings import Settings
from app.storage.database import Database

_NOT_SENT: Final = (LoginRefused, MailRefused, MailTrouble)  # all before a server has it


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


def open_mail(settings: Settings, home: Path, database: Database, client: Client) -> Mail:
    """Mail that goes out by SMTP, or into the home's Maildir when no server is named."""
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
