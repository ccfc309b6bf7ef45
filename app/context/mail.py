"""Which mail the settings ask for, and how a mail is an effect of the run that sends it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from app.context.health import account_of
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
from app.services.mail.resting import RestingMailbox, RestingSender
from app.services.mail.security import Security
from app.services.mail.smtp import SmtpSender
from app.services.mail.sync import MailSync
from app.services.rests import Rest, Rests
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


def open_mail(
    settings: Settings, home: Path, database: Database, client: Client, rests: Rests
) -> Mail:
    """Mail that goes out by SMTP, or into the home's Maildir when no server is named; in from
    there, and from an IMAP account."""
    now = client.store.clock.now
    smtp, imap = _rests(settings, rests)
    outbox = Outbox(
        database,
        _sender(settings, home, smtp),
        now=now,
        once=mail_once(InDoubt(settings.mail.in_doubt)),
    )
    mailboxes = (MaildirMailbox(home / "mail"), *_accounts(settings, imap))
    sync = MailSync(database, mailboxes, now=now)
    return Mail(outbox=outbox, mailboxes=mailboxes, sync=sync, rests=(smtp, imap))


def _rests(settings: Settings, rests: Rests) -> tuple[Rest, Rest]:
    """Of the account that mail goes out by, and of the one that it comes in by."""
    smtp, imap = settings.mail.smtp, settings.mail.imap
    return (
        rests.of(
            name="smtp",
            account=account_of(settings, smtp),
            label=f"outgoing mail by {smtp.host}",
        ),
        rests.of(
            name="imap",
            account=account_of(settings, imap),
            label=f"incoming mail of {imap.username} at {imap.host}",
        ),
    )


def _accounts(settings: Settings, rest: Rest) -> tuple[Mailbox, ...]:
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
    return (RestingMailbox(ImapMailbox(account, is_sorted=imap.sort), rest),)


def _sender(settings: Settings, home: Path, rest: Rest) -> MailSender:
    smtp = settings.mail.smtp
    if not smtp.host:
        return MaildirSender(home / "mail", address=settings.mail.sender)
    sender = SmtpSender(
        address=settings.mail.sender,
        host=smtp.host,
        port=smtp.port,
        username=smtp.username,
        password=smtp.password.get_secret_value(),
        security=Security(smtp.security.value),
    )
    return RestingSender(sender, rest)
