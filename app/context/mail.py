"""Which mail the settings ask for, and how a mail is an effect of the run that sends it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from app.engine import Client, InDoubt, NeedsReview, current_attempt
from app.services.mail import (
    LoginRefused,
    Mail,
    Mailbox,
    MailInDoubt,
    MailRefused,
    MailSender,
    MailTrouble,
    Once,
    Outbox,
    Receipt,
)
from app.services.mail.imap import Account, ImapMailbox
from app.services.mail.local import MaildirMailbox, MaildirSender
from app.services.mail.security import Security
from app.services.mail.smtp import SmtpSender
from app.services.mail.sync import MailSync
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
    """Mail that goes out by SMTP, or into the home's Maildir when no server is named; in from
    there, and from an IMAP account."""
    now = client.store.clock.now
    outbox = Outbox(
        database,
        _sender(settings, home),
        now=now,
        once=mail_once(InDoubt(settings.mail.in_doubt)),
    )
    mailboxes = (MaildirMailbox(home / "mail"), *_accounts(settings))
    sync = MailSync(database, mailboxes, now=now)
    return Mail(outbox=outbox, mailboxes=mailboxes, sync=sync)


def _accounts(settings: Settings) -> tuple[Mailbox, ...]:
    imap = settings.mail.imap
    if not imap.host:
        return ()
    account = Account(
        host=imap.host,
        port=imap.port,
        username=imap.username,
        password=imap.password.get_secret_value(),
        security=Security(imap.security.value),
        folder=imap.folder,
    )
    return (ImapMailbox(account, is_sorted=imap.sort),)


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
